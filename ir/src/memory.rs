//! Memory that is requested before it is filled, so that too little of it is an error.
//!
//! Rust's collections end the process where the system has no memory left. That is bearable for
//! small ones; whatever grows with the size of a network's values or weights is allocated here.

/// The system does not have the memory that was requested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not enough memory for {bytes} bytes")]
pub struct NoMemory {
    /// How much was requested.
    pub bytes: usize,
}

/// An empty vector with space for `count` elements.
///
/// # Errors
/// If the system does not have the memory.
pub fn reserved<T>(count: usize) -> Result<Vec<T>, NoMemory> {
    let mut elements = Vec::new();
    let none = |_| NoMemory { bytes: count.saturating_mul(size_of::<T>()) };
    elements.try_reserve_exact(count).map_err(none)?;
    Ok(elements)
}

/// `count` copies of a value.
///
/// # Errors
/// If the system does not have the memory.
pub fn filled<T: Copy>(count: usize, value: T) -> Result<Vec<T>, NoMemory> {
    let mut elements = reserved(count)?;
    elements.resize(count, value);
    Ok(elements)
}

/// A copy of a slice.
///
/// # Errors
/// If the system does not have the memory.
pub fn copied<T: Copy>(from: &[T]) -> Result<Vec<T>, NoMemory> {
    let mut elements = reserved(from.len())?;
    elements.extend_from_slice(from);
    Ok(elements)
}

/// The elements of an iterator that knows how many it has. It must not have more.
///
/// # Errors
/// If the system does not have the memory.
pub fn collected<T>(from: impl IntoIterator<Item = T>) -> Result<Vec<T>, NoMemory> {
    let from = from.into_iter();
    let mut elements = reserved(from.size_hint().0)?;
    elements.extend(from);
    Ok(elements)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_machine_has_is_an_error_and_the_rest_is_there() {
        let all = usize::MAX / 8;
        assert_eq!(reserved::<f32>(all), Err(NoMemory { bytes: all * 4 }));
        assert_eq!(reserved::<f64>(usize::MAX), Err(NoMemory { bytes: usize::MAX }));
        assert!(filled(all, 0.0f64).is_err());
        assert_eq!(filled(2, 3), Ok(vec![3, 3]));
        assert_eq!(copied(&[1, 2]), Ok(vec![1, 2]));
        assert_eq!(collected((0..3).map(|x| x + 1)), Ok(vec![1, 2, 3]));
    }
}
