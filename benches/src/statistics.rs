//! What is said of many figures.

/// The figures from the smallest to the largest.
pub fn sorted(figures: impl IntoIterator<Item = f64>) -> Vec<f64> {
    let mut figures: Vec<f64> = figures.into_iter().collect();
    figures.sort_by(f64::total_cmp);
    figures
}

/// The figure in the middle, or the mean of the two in the middle.
///
/// # Panics
/// If there is no figure.
pub fn median(figures: impl IntoIterator<Item = f64>) -> f64 {
    let figures = sorted(figures);
    let middle = figures.len() / 2;
    if figures.len() % 2 == 1 {
        figures[middle]
    } else {
        (figures[middle - 1] + figures[middle]) / 2.0
    }
}

/// The smallest figure that at least the share `quantile` of all figures do not exceed.
///
/// # Panics
/// If there is no figure, or `quantile` is not from 0 to 1.
pub fn quantile(figures: impl IntoIterator<Item = f64>, quantile: f64) -> f64 {
    assert!((0.0..=1.0).contains(&quantile), "a quantile is a share");
    let figures = sorted(figures);
    let rank = (quantile * figures.len() as f64).ceil() as usize;
    figures[rank.saturating_sub(1)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_lies_between_two() {
        assert_eq!(median([3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median([4.0, 1.0, 3.0, 2.0]), 2.5);
        assert_eq!(median([5.0]), 5.0);
    }

    #[test]
    fn a_quantile_is_one_of_the_figures() {
        let figures = || (1..=100).rev().map(f64::from);
        assert_eq!(quantile(figures(), 0.0), 1.0);
        assert_eq!(quantile(figures(), 0.5), 50.0);
        assert_eq!(quantile(figures(), 0.99), 99.0);
        assert_eq!(quantile(figures(), 0.991), 100.0);
        assert_eq!(quantile(figures(), 1.0), 100.0);
        assert_eq!(quantile([7.0], 0.99), 7.0);
    }

    #[test]
    #[should_panic = "a quantile is a share"]
    fn a_percentage_is_no_quantile() {
        quantile([1.0], 99.0);
    }
}
