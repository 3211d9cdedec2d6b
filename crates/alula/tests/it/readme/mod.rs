//! The program in the README is this one, and its test runs.

#[expect(dead_code, reason = "its main function would serve until it is stopped")]
mod example;

#[test]
fn the_program_in_the_readme_is_the_one_that_is_tested() {
    // The rows of the table behind it are tested with the examples.
    let readme = include_str!("../../../../../README.md");
    let (readme, _) = readme.split_once("<table>").unwrap();
    let after_fence = |block: &'static str| block.split_once("```\n").map(|(code, _)| code);
    let blocks: Vec<&str> = readme.split("```rust\n").skip(1).filter_map(after_fence).collect();
    assert_eq!(blocks.join("\n"), include_str!("example.rs"));
}
