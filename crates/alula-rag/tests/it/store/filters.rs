use alula_rag::{
    Attribute, Attributes,
    search::{Comparison, Filter, Query, Selection},
};
use fastrand::Rng;

use super::{MAIN, chunks, documents, on_each, put_entry, search};

const NAMES: [&str; 3] = ["a", "b", "c"];

fn attribute(random: &mut Rng) -> Attribute {
    match random.u8(..8) {
        0..=2 => Attribute::Number(f64::from(random.i8(-3..4)) / 2.0),
        3 => Attribute::Number(
            [0.1 + 0.2, 0.3, 1e300, -0.0, 9_007_199_254_740_993.0][random.usize(..5)],
        ),
        4..=6 => Attribute::Text(
            ["", "a", "A", "é", "aa", "1", "true", "x'; --"][random.usize(..8)].to_owned(),
        ),
        _ => Attribute::Bool(random.bool()),
    }
}

fn filter(random: &mut Rng, depth: u8) -> Filter {
    let key = NAMES[random.usize(..NAMES.len())].to_owned();
    let some = |random: &mut Rng| (0..random.u8(1..4)).map(|_| filter(random, depth - 1)).collect();
    match random.u8(..if depth == 0 { 6 } else { 9 }) {
        0..=4 => {
            use Comparison::{Eq, Gt, Gte, Lt, Lte};
            let comparison = [Eq, Gt, Gte, Lt, Lte][random.usize(..5)];
            Filter::Compare { key, comparison, value: attribute(random) }
        }
        5 => Filter::In { key, values: (0..random.u8(..4)).map(|_| attribute(random)).collect() },
        6 => Filter::Not(Box::new(filter(random, depth - 1))),
        7 => Filter::And(some(random)),
        _ => Filter::Or(some(random)),
    }
}

#[tokio::test]
async fn databases_filter_as_the_evaluator_does() {
    on_each(async |store| {
        let mut random = Rng::with_seed(7);
        let mut entries = Vec::new();
        for n in 0..60 {
            let count = random.usize(..NAMES.len() + 1);
            let names = NAMES.iter().take(count);
            let attributes: Attributes =
                names.map(|name| (*name, attribute(&mut random))).collect();
            let document = format!("{n:02}");
            let at = MAIN.entry(&document);
            put_entry(&*store, at, &attributes).await;
            store.put_chunks(at, "v", &chunks(&["alula"])).await.unwrap();
            store.publish(at, "v", 1, None).await.unwrap();
            entries.push((document, attributes));
        }
        for _ in 0..300 {
            let filter = filter(&mut random, 3);
            let expected: Vec<_> = entries
                .iter()
                .filter(|(_, attributes)| filter.holds(attributes))
                .map(|(document, _)| document.clone())
                .collect();
            let selection = Selection { filter: Some(filter.clone()), ..Selection::default() };
            let query = Query { selection, limit: 100, ..Query::new("alula") };
            let found = search(&store, MAIN, &query).await;
            let mut found: Vec<_> = found.hits.into_iter().map(|it| it.document).collect();
            found.sort();
            assert_eq!(found, expected, "{filter:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn archived_entries_and_documents_are_selected() {
    on_each(async |store| {
        for name in ["a", "b", "c"] {
            super::index(&*store, MAIN.entry(name), "v", &["alula"], None).await;
        }
        store.set_archived(MAIN.entry("a"), true).await.unwrap();
        assert_eq!(documents(&store, MAIN, "alula").await, ["b", "c"]);
        let found = async |selection: Selection| {
            let query = Query { selection, ..Query::new("alula") };
            let found = search(&store, MAIN, &query).await;
            found.hits.into_iter().map(|it| it.document).collect::<Vec<_>>()
        };
        let all = Selection { include_archived: true, ..Selection::default() };
        assert_eq!(found(all.clone()).await, ["a", "b", "c"]);
        let some = Some(vec!["a".to_owned(), "c".to_owned(), "'".to_owned()]);
        assert_eq!(found(Selection { documents: some.clone(), ..all }).await, ["a", "c"]);
        assert_eq!(found(Selection { documents: some, ..Selection::default() }).await, ["c"]);
        let none = Selection { documents: Some(Vec::new()), ..Selection::default() };
        assert_eq!(found(none).await, [""; 0]);
    })
    .await;
}
