//! Generates codes.

use rand::CryptoRng;

use crate::code::Code;
use crate::length::CodeLength;
use crate::shape::follows_the_rules;

/// Generates a code of the given length; each allocatable code is exactly equally likely. The
/// caller checks whether it is free.
///
/// Numbers are drawn until one is allocatable, 1.2 draws on average. A random source that repeats
/// itself could keep this loop busy forever; therefore it must be a cryptographic one.
pub fn generate<R: CryptoRng + ?Sized>(length: CodeLength, rng: &mut R) -> Code {
    loop {
        let digits = draw_below(length.numbers(), rng);
        let digits = format!("{digits:0width$}", width = usize::from(length.get()));
        if follows_the_rules(digits.as_bytes()) {
            return Code::from_digits(digits);
        }
    }
}

/// Draws a uniform number below `bound`: it draws as many random bits as `bound` needs, again while
/// they are not below it. A remainder or a scaled product would favour some numbers.
fn draw_below<R: CryptoRng + ?Sized>(bound: u64, rng: &mut R) -> u64 {
    let mask = bound.next_power_of_two() - 1;
    loop {
        let drawn = rng.next_u64() & mask;
        if drawn < bound {
            return drawn;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    /// Sum of squared deviations from equal counts, in units of the expected count.
    fn chi_square(counts: &[u64]) -> f64 {
        let total: u64 = counts.iter().sum();
        let expected = total as f64 / counts.len() as f64;
        counts
            .iter()
            .map(|count| (*count as f64 - expected).powi(2) / expected)
            .sum()
    }

    #[test]
    fn draws_below_a_bound_are_uniform() {
        let mut rng = StdRng::seed_from_u64(1);
        let mut counts = [0_u64; 100];
        for _ in 0..100_000 {
            counts[usize::try_from(draw_below(100, &mut rng)).expect("small")] += 1;
        }
        // 99 degrees of freedom: 99 on average, standard deviation 14.
        assert!(chi_square(&counts) < 99.0 + 5.0 * 14.1, "{counts:?}");
    }

    #[test]
    fn codes_are_uniform_over_the_allocatable_ones() {
        let mut rng = StdRng::seed_from_u64(2);
        let allocatable: Vec<u64> = (100_000..1_000_000)
            .filter(|n| crate::is_allocatable(&n.to_string()))
            .collect();
        let mut counts = vec![0_u64; 200];
        for _ in 0..100_000 {
            let code: u64 = generate(CodeLength::for_live(0), &mut rng)
                .as_str()
                .parse()
                .expect("digits");
            let rank = allocatable
                .binary_search(&code)
                .expect("an allocatable code");
            counts[rank * 200 / allocatable.len()] += 1;
        }
        // 199 degrees of freedom: standard deviation 20.
        assert!(chi_square(&counts) < 199.0 + 5.0 * 20.0, "{counts:?}");
    }

    proptest! {
        #[test]
        fn every_code_is_allocatable_and_of_its_length(seed: u64, digits in 6_u8..=12) {
            let length = CodeLength::new(digits).expect("a length");
            let code = generate(length, &mut StdRng::seed_from_u64(seed));
            prop_assert!(code.is_allocatable());
            prop_assert_eq!(code.as_str().len(), usize::from(digits));
            prop_assert_eq!(crate::normalize(code.as_str()), Ok(code));
        }
    }
}
