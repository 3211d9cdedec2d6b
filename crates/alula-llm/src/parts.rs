//! A body in parts.

use std::io::IoSlice;

use bytes::Bytes;

/// A body in parts that are sent one behind the other, so that a long prompt is not copied only
/// because a name in front of it changes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Parts(Vec<Bytes>);

impl Parts {
    pub(crate) fn with_capacity(count: usize) -> Self {
        Self(Vec::with_capacity(count))
    }

    /// Adds a part, unless it is empty.
    pub(crate) fn push(&mut self, part: Bytes) {
        if !part.is_empty() {
            self.0.push(part);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.0.iter().map(Bytes::len).sum()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All in one piece, without a copy if it is one.
    pub(crate) fn whole(self) -> Bytes {
        match <[Bytes; 1]>::try_from(self.0) {
            Ok([whole]) => whole,
            Err(parts) => parts.concat().into(),
        }
    }

    /// Puts what comes `behind` so many bytes, as far as there is room, into `slices`. Returns how
    /// many of these it takes.
    pub(crate) fn slices<'s>(&'s self, behind: usize, slices: &mut [IoSlice<'s>]) -> usize {
        let mut passed = 0;
        let rest = self.0.iter().filter_map(|part| {
            let rest = part.get(behind.saturating_sub(passed)..);
            passed += part.len();
            rest.filter(|rest| !rest.is_empty())
        });
        let taken = slices.iter_mut().zip(rest).map(|(slice, rest)| *slice = IoSlice::new(rest));
        taken.count()
    }
}

impl From<Bytes> for Parts {
    fn from(whole: Bytes) -> Self {
        let mut parts = Self::with_capacity(1);
        parts.push(whole);
        parts
    }
}

impl From<String> for Parts {
    fn from(whole: String) -> Self {
        Bytes::from(whole).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts() -> Parts {
        let mut parts = Parts::with_capacity(4);
        for part in ["ab", "", "c", "def"] {
            parts.push(Bytes::from_static(part.as_bytes()));
        }
        parts
    }

    #[test]
    fn what_is_left_is_given_from_any_place_on() {
        for behind in 0..8 {
            for room in 1..4 {
                let parts = parts();
                let mut slices = [IoSlice::new(&[]); 3];
                let count = parts.slices(behind, &mut slices[..room]);
                let given: Vec<u8> =
                    slices[..count].iter().flat_map(|part| part.to_vec()).collect();
                let left = "abcdef".get(behind..).unwrap_or_default().as_bytes();
                assert!(left.starts_with(&given), "{behind} {room}");
                assert_eq!(given.is_empty(), left.is_empty(), "{behind} {room}");
                assert!(count == room || given == left, "{behind} {room}");
            }
        }
    }

    #[test]
    fn one_part_is_not_copied() {
        let bytes = Bytes::from(vec![b'a'; 3]);
        let at = bytes.as_ptr();
        assert_eq!(Parts::from(bytes).whole().as_ptr(), at);
        assert_eq!(parts().len(), 6);
        assert_eq!(parts().whole(), "abcdef");
        assert!(Parts::from(Bytes::new()).is_empty());
        assert_eq!(Parts::default().whole(), "");
    }
}
