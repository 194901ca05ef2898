//! How calls report errors and hand out handles.

use std::mem::MaybeUninit;

use resnetc::ErrorCode;

use crate::error::{ErrorHandle, Outcome};
use crate::guard::caught;
use crate::status::Status;

/// Where a caller wants a handle: uninitialized memory, or NULL.
pub(crate) type Place<'a, T> = Option<&'a mut MaybeUninit<Option<Box<T>>>>;

/// Performs a call. Its error is stored if the caller wants it; without an error, NULL is.
pub(crate) fn status(error: Place<'_, ErrorHandle>, f: impl FnOnce() -> Outcome<()>) -> Status {
    let failure = outcome(f).err();
    let status = failure.as_ref().map_or(Status::Ok, |failure| failure.status());
    if let Some(error) = error {
        error.write(failure);
    }
    status
}

/// As [`status`], for calls that return a value; `otherwise` if they fail.
pub(crate) fn value<T>(
    error: Place<'_, ErrorHandle>,
    otherwise: T,
    f: impl FnOnce() -> Outcome<T>,
) -> T {
    let (value, failure) = match outcome(f) {
        Ok(value) => (value, None),
        Err(failure) => (otherwise, Some(failure)),
    };
    if let Some(error) = error {
        error.write(failure);
    }
    value
}

fn outcome<T>(f: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
    caught(f).unwrap_or_else(|panic| {
        let message = format!("bug in resnetc: {panic}");
        Err(ErrorHandle::new(ErrorCode::Panic, &message, Some("please report it")))
    })
}

/// Stores a new handle for the caller, who then owns it; NULL if there is none.
pub(crate) fn hand_out<T>(
    place: Place<'_, T>,
    what: &str,
    make: impl FnOnce() -> Outcome<T>,
) -> Outcome<()> {
    let place = required(place, what)?;
    // Also if `make` panics.
    place.write(None);
    place.write(Some(Box::new(make()?)));
    Ok(())
}

/// What a pointer points to.
pub(crate) fn required<T>(pointer: Option<T>, what: &str) -> Outcome<T> {
    pointer.ok_or_else(|| {
        ErrorHandle::new(ErrorCode::NullArgument, &format!("`{what}` is NULL"), None)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error() {
        let mut error = MaybeUninit::uninit();
        assert_eq!(status(Some(&mut error), || panic!("{} is wrong", 7)), Status::Internal);
        // SAFETY: the call stored an error.
        let error = unsafe { error.assume_init() }.expect("an error");
        assert!(format!("{error:?}").contains("bug in resnetc: 7 is wrong"), "{error:?}");
        assert_eq!(value(None, 5, || panic!("a text")), 5);
    }

    #[test]
    fn a_panic_leaves_no_handle() {
        let mut place: MaybeUninit<Option<Box<u8>>> = MaybeUninit::uninit();
        let make = || hand_out(Some(&mut place), "place", || panic!("no handle"));
        assert_eq!(status(None, make), Status::Internal);
        // SAFETY: the call stored NULL.
        assert!(unsafe { place.assume_init() }.is_none());
    }
}
