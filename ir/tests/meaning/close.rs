//! What the tests themselves rely on: how far numbers are apart.

use resnetc_testing::close::{greatest, is_close, relative_error};

#[test]
fn what_is_no_number_is_near_itself_only() {
    let (nan, inf) = (f64::NAN, f64::INFINITY);
    for at in 0..3 {
        for odd in [nan, inf, -inf] {
            let mut got = [1.0, 2.0, 3.0];
            got[at] = odd;
            assert_eq!(relative_error(got, [1.0, 2.0, 3.0]), inf, "{got:?}");
        }
    }
    assert_eq!(relative_error([1.0, 2.0], [1.0, 4.0]), 0.5);
    for (got, want, allowed) in
        [(nan, 1.0, 9.0), (1.0, nan, 9.0), (1.0, inf, inf), (-inf, inf, 9.0), (inf, 1.0, inf)]
    {
        assert!(!is_close(got, want, allowed), "{got} for {want} within {allowed}");
    }
    assert!(is_close(nan, nan, 0.0) && is_close(inf, inf, 0.0) && is_close(1.0, 1.5, 0.5));
    assert_eq!(greatest(&[1.0, nan, -3.0, inf]), 3.0);
}
