use super::*;

fn extracted(html: &str) -> Extracted {
    parse(html.as_bytes(), &ExtractLimits::default()).unwrap()
}

#[track_caller]
fn check(html: &str, expected: &str) {
    assert_eq!(extracted(html).text, expected, "{html}");
}

#[test]
fn paragraphs_and_headings_are_blocks() {
    let html = "<!DOCTYPE html><html><head><title>The\n <b>alula</b> &amp; co</title><style>a{}</style>\
                <body>Intro&nbsp;text<h1>One <i>and</i><br>two</h1><p>A <a href=x>link</a>\n and \
                <b>b</b>.<p>New<br>line<div>end</div><h3></h3>";
    let page = extracted(html);
    assert_eq!(page.text, "Intro text\n\n# One and two\n\nA link and b.\n\nNew\nline\n\nend");
    assert_eq!(page.title.as_deref(), Some("The <b>alula</b> & co"));
    let heading = &page.headings[0];
    assert_eq!((heading.start, heading.level, heading.text.as_str()), (12, 1, "One and two"));
    assert_eq!(page.headings.len(), 1);
}

#[test]
fn what_is_not_for_readers_is_left_out() {
    let html = "<p>a<script>if (a<b) '</p>'</script><svg><text>no</text></svg>\
                <nav>no<nav>no</nav>no</nav><div role=navigation>no<div>no</div></div>\
                <!-- no --><template>no</template><select><option>no</select>b";
    check(html, "ab");
    check("<nav>only<p>this", "only\n\nthis");
    check("<p>x<textarea>no</p>", "x");
}

#[test]
fn lists_are_indented() {
    let html = "Before<ul><li>a<li>b<ol start=3><li>c<li><p>d<p>e</ol><li>f</ul>After";
    check(html, "Before\n\n- a\n- b\n  3. c\n  4. d\n    e\n- f\n\nAfter");
    check("<li>stray", "stray");
}

#[test]
fn tables_are_tables_unless_they_arrange_a_page() {
    let html = "<p>x<table><caption>C</caption><tr><th>a<th>b|c<tr><td>1</td><td><p>2<p>3\
                <ul><li>4</ul></table>y";
    check(html, "x\n\nC\n\n| a | b\\|c |\n| --- | --- |\n| 1 | 2 3 4 |\n\ny");
    let html = "<table><tr><td>menu<td><h2>Head</h2><table><tr><td>1<td>2</table><p>text</table>";
    check(html, "menu\n\n## Head\n\n| 1 | 2 |\n| --- | --- |\n\ntext");
}

#[test]
fn code_keeps_its_white_space() {
    check("<pre>\n  a\n\n   <b>b</b> &lt;\n</pre>c", "```\n  a\n\n   b <\n```\n\nc");
}

#[test]
fn pieces_do_not_matter() {
    let word = "é<b>x</b> <script>1 < 2</script>";
    let html = word.repeat(20_000);
    assert_eq!(extracted(&html).text, "éx ".repeat(20_000).trim());
}
