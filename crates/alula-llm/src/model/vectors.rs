use std::{fmt, slice::ChunksExact};

use crate::{Error, ErrorKind, Result};

/// Vectors of the same length, one after the other in one piece of memory.
///
/// ```
/// use alula_llm::model::Vectors;
///
/// let mut vectors = Vectors::new();
/// vectors.push(&[0.6, 0.8])?;
/// vectors.push(&[1.0, 0.0])?;
/// assert_eq!((vectors.len(), vectors.dimensions()), (2, 2));
/// assert_eq!(vectors.get(1), Some(&[1.0, 0.0][..]));
/// assert!(vectors.push(&[1.0]).is_err());
/// # Ok::<(), alula_llm::Error>(())
/// ```
#[derive(Clone, Default, PartialEq)]
pub struct Vectors {
    values: Vec<f32>,
    /// How many numbers a vector has; 0 as long as there is none.
    dimensions: usize,
}

impl Vectors {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a vector.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Decode`] when it is empty, not as long as those before, or holds what is no
    /// finite number.
    pub fn push(&mut self, vector: &[f32]) -> Result<()> {
        if vector.is_empty() {
            return Err(decode("a vector has no numbers".to_owned()));
        }
        if !vector.iter().all(|value| value.is_finite()) {
            return Err(decode("a vector holds what is no finite number".to_owned()));
        }
        self.hold_to(vector.len())?;
        self.values.extend_from_slice(vector);
        Ok(())
    }

    /// Adds all vectors of another list.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Decode`] when they are not as long as those here.
    pub fn append(&mut self, mut others: Self) -> Result<()> {
        if others.is_empty() {
            return Ok(());
        }
        self.hold_to(others.dimensions)?;
        self.values.append(&mut others.values);
        Ok(())
    }

    /// Makes room for so many vectors like those that are there.
    pub fn reserve(&mut self, vectors: usize) {
        self.values.reserve(vectors.saturating_mul(self.dimensions));
    }

    /// How many numbers each vector has; 0 if there is no vector.
    pub fn dimensions(&self) -> usize {
        self.dimensions
    }

    /// How many vectors there are.
    pub fn len(&self) -> usize {
        self.iter().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The vector at this place.
    pub fn get(&self, index: usize) -> Option<&[f32]> {
        self.iter().nth(index)
    }

    /// All vectors, in order.
    pub fn iter(&self) -> ChunksExact<'_, f32> {
        // Without vectors there are no numbers either, however they are divided.
        self.values.chunks_exact(self.dimensions.max(1))
    }

    /// All numbers, vector after vector.
    pub fn as_slice(&self) -> &[f32] {
        &self.values
    }

    /// All numbers, vector after vector, without a copy.
    pub fn into_values(self) -> Vec<f32> {
        self.values
    }

    fn hold_to(&mut self, dimensions: usize) -> Result<()> {
        if self.dimensions == 0 {
            self.dimensions = dimensions;
        }
        if self.dimensions != dimensions {
            let known = self.dimensions;
            return Err(decode(format!(
                "one vector has {known} numbers and another one {dimensions}"
            )));
        }
        Ok(())
    }
}

impl<'a> IntoIterator for &'a Vectors {
    type Item = &'a [f32];
    type IntoIter = ChunksExact<'a, f32>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Says how many there are: the numbers themselves are no reading.
impl fmt::Debug for Vectors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vectors")
            .field("len", &self.len())
            .field("dimensions", &self.dimensions)
            .finish_non_exhaustive()
    }
}

fn decode(message: String) -> Error {
    Error::new(ErrorKind::Decode, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_vectors_are_no_trouble() {
        let mut none = Vectors::new();
        assert_eq!((none.len(), none.dimensions(), none.get(0)), (0, 0, None));
        none.append(Vectors::new()).unwrap();
        let mut some = Vectors::new();
        some.push(&[1.0, 2.0]).unwrap();
        none.append(some.clone()).unwrap();
        assert_eq!(none, some);
        assert_eq!(format!("{none:?}"), "Vectors { len: 1, dimensions: 2, .. }");
    }

    #[test]
    fn what_does_not_fit_is_refused_and_changes_nothing() {
        let mut vectors = Vectors::new();
        vectors.push(&[1.0, 2.0]).unwrap();
        for bad in [&[][..], &[1.0], &[1.0, f32::NAN], &[f32::INFINITY, 0.0]] {
            assert_eq!(vectors.push(bad).unwrap_err().kind(), &ErrorKind::Decode);
        }
        let mut longer = Vectors::new();
        longer.push(&[1.0, 2.0, 3.0]).unwrap();
        let error = vectors.append(longer).unwrap_err();
        assert_eq!(error.message(), "one vector has 2 numbers and another one 3");
        assert_eq!(vectors.into_values(), [1.0, 2.0]);
    }
}
