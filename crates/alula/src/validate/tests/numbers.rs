//! Comparisons that rounding would get wrong.

use crate::__private::{Keeps, Limit, MultipleOf, Number, Range};

fn at_least(number: impl Keeps<Range>, bound: impl Into<Number>) -> bool {
    number.keeps(&Range(Limit::Minimum(bound.into())))
}

fn below(number: impl Keeps<Range>, bound: impl Into<Number>) -> bool {
    number.keeps(&Range(Limit::ExclusiveMaximum(bound.into())))
}

fn is_multiple(number: impl Keeps<MultipleOf>, step: impl Into<Number>) -> bool {
    number.keeps(&MultipleOf(step.into()))
}

#[test]
fn integers_of_every_width_are_compared_exactly() {
    assert!(below(u64::MAX - 1, u64::MAX));
    assert!(!below(u64::MAX, u64::MAX));
    assert!(below(i128::MIN, i64::MIN));
    assert!(at_least(u128::MAX, u64::MAX));
    assert!(below(-1_i8, 0_u64));
    assert!(!at_least(-1_isize, 0_usize));
}

#[test]
fn an_integer_and_a_float_are_compared_without_rounding() {
    // 2^53 + 1 is no f64: rounded, it would equal 2^53.
    let edge = 9_007_199_254_740_992.0;
    assert!(!below(9_007_199_254_740_993_i64, edge));
    assert!(!at_least(9_007_199_254_740_991_i64, edge));
    assert!(below(edge, 9_007_199_254_740_993_i64));
    assert!(below(-2, -1.5));
    assert!(!below(-1, -1.5));
    assert!(at_least(0, -0.5));
    assert!(below(0, 0.5));
    assert!(below(u128::MAX, f64::INFINITY));
    assert!(at_least(i128::MIN, f64::NEG_INFINITY));
    assert!(!at_least(0, f64::NAN));
}

#[test]
fn a_single_is_compared_in_its_own_precision() {
    // As f64, 0.1_f32 is more than 0.1.
    assert!(!below(0.1_f32, 0.1));
    assert!(at_least(0.1_f32, 0.1));
    assert!(below(0.1_f32, 0.100_001));
    assert!(!at_least(f32::NAN, 0));
}

#[test]
fn multiples_are_exact_between_whole_numbers() {
    assert!(is_multiple(u64::MAX, 5));
    assert!(!is_multiple(u64::MAX - 1, 5));
    assert!(is_multiple(-9, 3));
    assert!(is_multiple(i128::MIN, 2));
    assert!(is_multiple(4.0, 2));
    assert!(!is_multiple(3_000_000_001.0, 2));
    assert!(!is_multiple(1, 0));
    assert!(!is_multiple(1.0, 0));
}

#[test]
fn multiples_of_a_fraction_leave_room_for_rounding() {
    assert!(is_multiple(0.3, 0.1));
    assert!(is_multiple(-0.3, 0.1));
    assert!(is_multiple(1_000_000.01, 0.01));
    assert!(is_multiple(0.3_f32, 0.1));
    assert!(is_multiple(3, 0.5));
    assert!(!is_multiple(0.35, 0.1));
    assert!(!is_multiple(0.3 + 1e-8, 0.1));
    assert!(!is_multiple(f64::NAN, 0.1));
    assert!(!is_multiple(f64::INFINITY, 0.1));
}
