//! Variables about MCP.

use std::str::FromStr;

use super::Variables;

impl<F: Fn(&str) -> Option<String>> Variables<F> {
    /// The origins of pages that may use MCP.
    pub(super) fn mcp_origins(&mut self) -> Vec<String> {
        let origins = self.parts("ALULA_MCP_ORIGINS", |part, error| format!("{part}: {error}"));
        origins.into_iter().map(|Origin(origin)| origin).collect()
    }
}

/// `https://app.example.com`, or `*` for all.
struct Origin(String);

impl FromStr for Origin {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let host = text.split_once("://").map(|(_, host)| host);
        let is_origin =
            host.is_some_and(|host| !host.is_empty() && !host.contains(['/', '?', '#']));
        match is_origin || text == "*" {
            true => Ok(Self(text.to_owned())),
            false => Err("expected an origin, such as https://app.example.com, or *"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_no_addresses_of_pages() {
        let read = |value: &'static str| {
            let variable =
                move |name: &str| (name == "ALULA_MCP_ORIGINS").then(|| value.to_owned());
            let mut variables = Variables { variable, mistakes: Vec::new() };
            (variables.mcp_origins(), variables.mistakes)
        };
        let (origins, mistakes) = read("https://a.example, http://localhost:6274");
        assert_eq!(origins, ["https://a.example", "http://localhost:6274"]);
        assert_eq!(mistakes, Vec::<String>::new());
        let (_, mistakes) = read("a.example https://a.example/page");
        assert_eq!(mistakes.len(), 2, "{mistakes:?}");
    }
}
