/// Models that count alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    /// OpenAI's, with `o200k_base`.
    OpenAi,
    /// OpenAI's up to GPT-4, with `cl100k_base`.
    OldOpenAi,
    Claude,
    Gemini,
    Other,
}

impl Family {
    /// By the name of the model, whoever serves it.
    pub(super) fn of(model: &str) -> Self {
        let name = model.rsplit('/').next().unwrap_or_default();
        let name = name.strip_prefix("ft:").unwrap_or(name);
        let begins = |names: &[&str]| names.iter().any(|it| name.starts_with(it));
        let is_old = begins(&["gpt-3", "gpt-4"]) && !begins(&["gpt-4o", "gpt-4."]);
        match () {
            () if is_old => Self::OldOpenAi,
            () if begins(&["gpt-", "chatgpt-", "o1", "o3", "o4", "codex-"]) => Self::OpenAi,
            () if begins(&["claude"]) => Self::Claude,
            () if begins(&["gemini"]) => Self::Gemini,
            () => Self::Other,
        }
    }

    /// What a message costs beyond its parts.
    pub(super) fn message(self) -> u64 {
        match self {
            Self::Gemini => 0,
            _ => 3,
        }
    }

    /// What a tool costs beyond its texts.
    pub(super) fn tool(self) -> u64 {
        match self {
            Self::Gemini => 0,
            _ => 7,
        }
    }

    /// What a request costs beyond its messages and tools.
    pub(super) fn overhead(self, has_tools: bool) -> u64 {
        match self {
            // The beginning of the answer.
            Self::OpenAi | Self::OldOpenAi | Self::Other => 3,
            // What the model is told about tools at all.
            Self::Claude if has_tools => 346,
            Self::Claude => 3,
            Self::Gemini => 0,
        }
    }

    /// What a document costs of whose pages nothing is known.
    pub(super) fn document(self) -> u64 {
        match self {
            Self::Claude => 2_000,
            Self::Gemini => 258,
            _ => 1_000,
        }
    }
}
