//! What a change of one place changes, line by line.

/// How many lines are shown around it.
const AROUND: usize = 3;

/// The lines that are other than before, with those around them; nothing if none is.
pub(super) fn of(before: &str, after: &str) -> String {
    if before == after {
        return String::new();
    }
    let (old, new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let same = |pair: &(&&str, &&str)| pair.0 == pair.1;
    let head = old.iter().zip(&new).take_while(same).count();
    let rest = old.len().min(new.len()) - head;
    let tail = old.iter().rev().zip(new.iter().rev()).take(rest).take_while(same).count();
    let lines = |mark: char, lines: &[&str], from: usize, to: usize| -> Vec<String> {
        let lines = lines.get(from..to).unwrap_or_default();
        lines.iter().map(|line| format!("{mark}{line}")).collect()
    };
    let from = head.saturating_sub(AROUND);
    let to = (old.len() - tail + AROUND).min(old.len());
    let parts = [
        lines(' ', &old, from, head),
        lines('-', &old, head, old.len() - tail),
        lines('+', &new, head, new.len() - tail),
        lines(' ', &old, old.len() - tail, to),
    ];
    parts.concat().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_around_a_change_are_shown() {
        let before = "1\n2\n3\n4\n5\n6\n7\n8\n";
        let after = before.replace("5\n", "five\nV\n");
        assert_eq!(of(before, &after), " 2\n 3\n 4\n-5\n+five\n+V\n 6\n 7\n 8");
        assert_eq!(of(before, before), "");
        assert_eq!(of("", "1\n"), "+1");
        assert_eq!(of("1\n1\n", "1\n1\n1\n"), " 1\n 1\n+1");
    }
}
