//! Names that were probably meant.

/// The candidate that is closest to `name`, if it is close enough to be a slip of the fingers.
pub(super) fn nearest<'c>(
    name: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<&'c str> {
    let name = plain(name);
    let slips_max = if name.len() < 6 { 1 } else { 2 };
    candidates
        .into_iter()
        .map(|candidate| (slips(&name, &plain(candidate)), candidate))
        .filter(|(slips, _)| *slips <= slips_max)
        .min_by_key(|(slips, _)| *slips)
        .map(|(_, candidate)| candidate)
}

/// A name without what is easily confused: case, and `-` for `_`.
fn plain(name: &str) -> Vec<char> {
    let char = |char: char| if char == '-' { '_' } else { char.to_ascii_uppercase() };
    name.chars().map(char).collect()
}

/// How many letters have to be added, taken out, changed or swapped with their neighbour.
fn slips(from: &[char], to: &[char]) -> usize {
    // One row of the table for each letter of `from`, after the row for none.
    let first: Vec<usize> = (0..=to.len()).collect();
    let mut rows = vec![first];
    let cell = |rows: &[Vec<usize>], row: usize, column: usize| {
        rows.get(row).and_then(|row| row.get(column)).copied().unwrap_or(usize::MAX / 2)
    };
    for (at, char) in from.iter().enumerate() {
        let mut row = vec![at + 1];
        for (column, other) in to.iter().enumerate() {
            let left = row.last().copied().unwrap_or_default() + 1;
            let above = cell(&rows, at, column + 1) + 1;
            let changed = cell(&rows, at, column) + usize::from(char != other);
            let mut least = left.min(above).min(changed);
            if let (Some(before), Some(before_other)) = (at.checked_sub(1), column.checked_sub(1))
                && from.get(before) == Some(other)
                && to.get(before_other) == Some(char)
            {
                least = least.min(cell(&rows, before, before_other) + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    cell(&rows, from.len(), to.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_counted() {
        let count = |a: &str, b: &str| slips(&plain(a), &plain(b));
        assert_eq!(count("PORT", "PORT"), 0);
        assert_eq!(count("PROT", "PORT"), 1);
        assert_eq!(count("POR", "PORT"), 1);
        assert_eq!(count("PORTT", "PORT"), 1);
        assert_eq!(count("BORT", "PORT"), 1);
        assert_eq!(count("", "PORT"), 4);
        assert_eq!(count("PORT", ""), 4);
        assert_eq!(count("HOST", "PORT"), 2);
    }

    #[test]
    fn the_closest_is_named() {
        assert_eq!(nearest("PROT", ["HOST", "PORT"]), Some("PORT"));
        assert_eq!(nearest("database-urI", ["DATABASE_URL", "DATA"]), Some("DATABASE_URL"));
        assert_eq!(nearest("HOST", ["PORT"]), None);
        assert_eq!(nearest("PORT_80_TCP", ["PORT"]), None);
    }
}
