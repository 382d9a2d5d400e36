//! The width of a text, whichever font a viewer has.

/// The size of names, in user units of SVG.
pub(super) const NAME: f64 = 12.0;
/// The size of types and shapes.
pub(super) const SMALL: f64 = 11.0;

/// The width of a text at a font size. It is an upper bound for the common monospaced and sans-serif fonts, of which DejaVu Sans is the
/// widest.
pub(super) fn width(text: &str, size: f64, bold: bool) -> f64 {
    /// The width of a letter in a monospaced font, as a share of the size.
    const MONOSPACED: f64 = 0.602;
    let one = |c: char| {
        let plain: f64 = match c {
            'm' | 'M' | 'W' | '@' | '%' => 1.0,
            'w' | '+' | '<' | '>' | '=' | '*' | '×' | '⌈' | '⌉' => 0.84,
            'A'..='Z' => 0.76,
            'i' | 'j' | 'l' | '.' | ',' | ':' | ';' | '\'' | '|' | ' ' | '(' | ')' | '[' | ']' | '/' | '-' => 0.4,
            c if c.is_ascii() => 0.64,
            _ => 1.0,
        };
        (if bold { 1.1 * plain } else { plain }).max(MONOSPACED)
    };
    size * text.chars().map(one).sum::<f64>()
}
