//! What a reload has changed, for the log.

use std::{collections::BTreeMap, fmt::Debug};

use alula_llm::{Llm, ProviderStatus, RouteStatus};

use crate::services::keys::Plans;

/// What is other than before: `providers +gpu -old ~openai, models +fast`; `none` if nothing is.
///
/// An address or a plan is compared, and not shown.
pub(super) fn changes(
    before: (&Llm, &Plans),
    after: (&Llm, &Plans),
    others: impl IntoIterator<Item = (&'static str, Vec<String>)>,
) -> String {
    let kinds = [
        ("providers", difference(&providers(before.0), &providers(after.0))),
        ("models", difference(&models(before.0), &models(after.0))),
        ("plans", difference(&plans(before.1), &plans(after.1))),
    ];
    let mut told: Vec<String> = kinds
        .into_iter()
        .chain(others)
        .filter(|(_, names)| !names.is_empty())
        .map(|(kind, names)| format!("{kind} {}", names.join(" ")))
        .collect();
    let (old, new) = (before.0.default_model(), after.0.default_model());
    if old != new {
        told.push(format!("default model {}", new.unwrap_or("none")));
    }
    match told.is_empty() {
        true => "none".to_owned(),
        false => told.join(", "),
    }
}

/// Names with what they stand for, as far as a file says it.
type Named = BTreeMap<String, String>;

fn difference(before: &Named, after: &Named) -> Vec<String> {
    let gone = before.keys().filter(|name| !after.contains_key(*name));
    let gone = gone.map(|name| format!("-{name}"));
    let others = after.iter().filter_map(|(name, is)| match before.get(name) {
        None => Some(format!("+{name}")),
        Some(was) if was != is => Some(format!("~{name}")),
        Some(_) => None,
    });
    others.chain(gone).collect()
}

fn providers(llm: &Llm) -> Named {
    let stands_for =
        |it: &ProviderStatus| shown(&(it.protocol, &it.base_url, it.rate_limit, it.concurrency));
    llm.statuses().into_iter().map(|it| (it.name.clone(), stands_for(&it))).collect()
}

fn models(llm: &Llm) -> Named {
    let stands_for = |it: &RouteStatus| {
        let targets = it.targets.iter();
        let targets = targets.map(|it| (&it.model, it.weight, it.rate_limit, it.concurrency));
        shown(&(it.answer, targets.collect::<Vec<_>>()))
    };
    llm.routes().into_iter().map(|it| (it.name.clone(), stands_for(&it))).collect()
}

fn plans(plans: &Plans) -> Named {
    plans.names().map(|name| (name.to_owned(), shown(&plans.get(name)))).collect()
}

fn shown(value: &impl Debug) -> String {
    format!("{value:?}")
}

#[cfg(test)]
mod tests {
    use alula_llm::{Demo, LlmBuilder, RateLimit, Route};

    use super::*;

    #[test]
    fn each_kind_of_change_is_told() {
        let demo = || Llm::builder().provider(Demo::new());
        let built = |builder: LlmBuilder| builder.build().unwrap();
        let plans = Plans::default();
        let told = |before: LlmBuilder, after: LlmBuilder| {
            changes((&built(before), &plans), (&built(after), &plans), [])
        };
        assert_eq!(told(demo(), demo()), "none");
        let before = demo().route("a", Route::to("demo/a")).route("b", Route::to("demo/b"));
        let after = demo().route("b", Route::to("demo/c")).route("c", Route::to("demo/b"));
        let after = after.rate_limit("demo", RateLimit::default().requests(5)).default_model("c");
        assert_eq!(told(before, after), "providers ~demo, models ~b +c -a, default model c");
        let none = Plans::none();
        let llm = built(demo());
        let servers = [("mcp servers", vec!["+notes".to_owned()])];
        let fewer = changes((&llm, &plans), (&llm, &none), servers);
        assert_eq!(fewer, "plans -free -pro -unlimited, mcp servers +notes");
    }
}
