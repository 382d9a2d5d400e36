//! Parsers for numbers on the command line. They refuse NaN and out-of-range values, and the message states what is allowed.

use std::str::FromStr;

fn number(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(x) if x.is_finite() => Ok(x),
        Ok(_) => Err("must be a finite number".into()),
        Err(_) => Err("is not a number (write 0.001 or 1e-3)".into()),
    }
}

/// A finite number above 0.
pub fn positive(text: &str) -> Result<f64, String> {
    match number(text)? {
        x if x > 0.0 => Ok(x),
        _ => Err("must be above 0".into()),
    }
}

/// A finite number, 0 or above.
pub fn non_negative(text: &str) -> Result<f64, String> {
    match number(text)? {
        x if x >= 0.0 => Ok(x),
        _ => Err("must not be negative".into()),
    }
}

/// A share: 0 or above and below 1.
pub fn fraction(text: &str) -> Result<f64, String> {
    match number(text)? {
        x if (0.0..1.0).contains(&x) => Ok(x),
        _ => Err("must be at least 0 and below 1".into()),
    }
}

/// A whole number of at least 1.
pub fn count(text: &str) -> Result<usize, String> {
    match text.parse::<usize>() {
        Ok(0) => Err("must be at least 1".into()),
        Ok(n) => Ok(n),
        Err(_) => Err("is not a whole number of at least 1".into()),
    }
}

/// The most samples, updates or tokens: they are numbered with 32 bits, or a call would take years.
const MOST: usize = u32::MAX as usize;
/// The most samples of a posterior: each is a pass over the data, and has a place in the noise's counter.
const MOST_SAMPLES: usize = 1 << 20;

/// The most examples in one pass: no memory holds the activations of more.
pub const MOST_ROWS: usize = 1 << 20;

fn at_most(n: usize, most: usize) -> Result<usize, String> {
    if n > most { Err(format!("must be at most {most}")) } else { Ok(n) }
}

/// A number of updates or tokens: at least 1.
pub fn repetitions(text: &str) -> Result<usize, String> {
    at_most(count(text)?, MOST)
}

/// A number of updates, or 0 for none.
pub fn repetitions_or_none(text: &str) -> Result<usize, String> {
    at_most(whole(text)?, MOST)
}

/// A number of examples in one pass: at least 1.
pub fn rows(text: &str) -> Result<usize, String> {
    at_most(count(text)?, MOST_ROWS)
}

/// A number of samples of the posterior: at least 1.
pub fn samples(text: &str) -> Result<usize, String> {
    at_most(count(text)?, MOST_SAMPLES)
}

/// A number of samples of the posterior, or 0 for the mean alone.
pub fn samples_or_none(text: &str) -> Result<usize, String> {
    at_most(whole(text)?, MOST_SAMPLES)
}

/// A whole number, 0 too.
pub fn whole<N: FromStr>(text: &str) -> Result<N, String> {
    text.parse().map_err(|_| "is not a whole number of at least 0, or too large".into())
}

/// A bound that may be left out: a positive number, or `none`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bound(pub Option<f64>);

/// Parses a [`Bound`].
pub fn bound(text: &str) -> Result<Bound, String> {
    match text {
        "none" | "inf" => Ok(Bound(None)),
        _ => positive(text).map(|x| Bound(Some(x))).map_err(|e| format!("{e}; `none` for no bound")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_makes_no_sense_passes() {
        for wrong in ["nan", "inf", "-inf", "0", "-1", "abc", ""] {
            assert!(positive(wrong).is_err(), "{wrong}");
        }
        for wrong in ["nan", "-1e-9", "1", "1.5"] {
            assert!(fraction(wrong).is_err(), "{wrong}");
        }
        for wrong in ["0", "-1", "1.5", "99999999999999999999999", "nan"] {
            assert!(count(wrong).is_err(), "{wrong}");
        }
        for (parse, most) in
            [(repetitions as fn(&str) -> Result<usize, String>, MOST), (samples, MOST_SAMPLES), (samples_or_none, MOST_SAMPLES)]
        {
            assert_eq!(parse(&most.to_string()), Ok(most));
            assert!(parse(&(most + 1).to_string()).is_err_and(|message| message.contains("at most")));
        }
        assert_eq!((positive("1e-3"), non_negative("0"), fraction("0.999"), count("12")), (Ok(1e-3), Ok(0.0), Ok(0.999), Ok(12)));
        assert_eq!((bound("none"), bound("1e-3")), (Ok(Bound(None)), Ok(Bound(Some(1e-3)))));
    }
}
