//! The check of a kernel's body in CUDA C++: arithmetic with `float` and nothing else, so that no body reaches memory.

use crate::core::error::{Error, Result};

/// Functions that a body may call.
const FUNCTIONS: &[&str] = &[
    "cosf", "erff", "expf", "expm1f", "fabsf", "fmaxf", "fminf", "gate", "isfinite", "isinf", "isnan", "larger", "log1pf",
    "logf", "powf", "relu", "rsqrtf", "share", "sinf", "smaller", "sqrtf", "tanhf",
];

/// Checks that a body consists of definitions `const float name = ..;` and assignments of inputs `x0`, `s0`, .. and of what it
/// defined to `y0`, ..; with numbers, arithmetic, comparisons and calls of [`FUNCTIONS`]. All values are then numbers: there is no
/// word or sign by which a pointer, a loop or a statement of another kind could come in.
///
/// # Errors
/// If there is anything else: the first of it.
pub(super) fn check(name: &str, body: &str) -> Result<()> {
    let mut defined: Vec<&str> = vec![];
    let mut before = ["", ""];
    let mut rest = body.trim_start();
    while let Some(first) = rest.chars().next() {
        let inside = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let length = match first {
            c if c.is_ascii_digit() => number(rest),
            c if inside(c) => rest.find(|c| !inside(c)).unwrap_or(rest.len()),
            c => c.len_utf8(),
        };
        let (token, behind) = (&rest[..length], rest[length..].trim_start());
        let known = match token {
            "+" | "-" | "*" | "/" | "(" | ")" | "," | "?" | ":" | "<" | ">" | "=" | ";" | "!" | "INFINITY" => true,
            // Two of each only: one sign takes an address or works on bits.
            "&" | "|" => before[1] == token || behind.starts_with(token),
            "const" => behind.starts_with("float "),
            "float" => before[1] == "const",
            _ if first.is_ascii_digit() => true,
            _ if before == ["const", "float"] && behind.starts_with('=') => {
                // It hides whatever had this name before.
                defined.push(token);
                token.starts_with(|c: char| c.is_ascii_alphabetic())
            }
            _ if behind.starts_with('(') => FUNCTIONS.contains(&token),
            _ => is_value(token) || defined.contains(&token),
        };
        if !known {
            let message = format!(
                "`{token}` in its body in CUDA C++ is not allowed: a body defines `const float` values and sets y0, y1, .. by arithmetic and \
                 these functions: {}",
                FUNCTIONS.join(", ")
            );
            return Err(Error::value(format!("pointwise kernel `{name}`"), message));
        }
        before = [before[1], token];
        rest = behind;
    }
    Ok(())
}

/// `x0`, `s12`, `y1`
fn is_value(token: &str) -> bool {
    token.strip_prefix(['x', 's', 'y']).is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
}

/// The length of the number that a text begins with: digits, a fraction, an exponent, `f`.
fn number(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut end = 0;
    while let Some(byte) = bytes.get(end) {
        let sign_of_exponent = matches!(byte, b'+' | b'-') && matches!(bytes[end - 1], b'e' | b'E');
        if !(byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'f') || sign_of_exponent) {
            break;
        }
        end += 1;
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_is_a_body() {
        for body in [
            "y0 = x0;",
            "const float t0 = tanhf(x0 * 1.5e-3f);\ny0 = t0 * s0 - (x1 > 0.0f ? 1.0f : -INFINITY);\ny1 = larger(t0, powf(x0, 2.0f)) / 3e+2f;",
            "y0 = isnan(x0) || x1 >= x0 && x2 != 1.0f ? x0 : x1;",
        ] {
            check("k", body).unwrap();
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for (body, token) in [
            ("to_0[1 << 40] = 1.0f; y0 = x0;", "to_0"),
            ("y0 = in_0;", "in_0"),
            ("y0 = *(float*)12345;", "float"),
            ("y0 = x0[7];", "["),
            ("y0 = *&x0;", "&"),
            ("const float *p = &x0;", "p"),
            ("while (1) {}", "while"),
            ("asm(\"trap;\");", "asm"),
            ("__trap();", "__trap"),
            ("y0 = x0; } evil(); {", "}"),
            ("#include \"x\"", "#"),
            ("const float [x] = y0;", "["),
            ("y0 = atomicAdd(x0, 1.0f);", "atomicAdd"),
            ("y0 = x0 ^ 1;", "^"),
            ("y0 = x.y;", "x"),
            ("y0 = é;", "é"),
            ("const volatile float t = x0;", "const"),
            ("y0 = t0;", "t0"),
        ] {
            let error = check("k", body).map_or_else(|e| e.to_string(), |()| format!("`{body}` passes"));
            assert!(error.contains(&format!("`{token}` in its body")), "{body}: {error}");
        }
    }
}
