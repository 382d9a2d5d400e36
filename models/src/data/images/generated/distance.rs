//! Signed distances to outlines in the plane: negative inside. A pixel's cover is a ramp of the distance, one pixel wide, which smooths
//! every edge.

/// A place.
pub type Point = [f64; 2];

fn minus(a: Point, b: Point) -> Point {
    [a[0] - b[0], a[1] - b[1]]
}

fn dot(a: Point, b: Point) -> f64 {
    a[0] * b[0] + a[1] * b[1]
}

/// To a disc.
pub fn disc(p: Point, centre: Point, radius: f64) -> f64 {
    let d = minus(p, centre);
    dot(d, d).sqrt() - radius
}

/// To the segment from `a` to `b`; never negative.
pub fn segment(p: Point, a: Point, b: Point) -> f64 {
    let (ap, ab) = (minus(p, a), minus(b, a));
    let along = (dot(ap, ab) / dot(ab, ab).max(f64::MIN_POSITIVE)).clamp(0.0, 1.0);
    let d = minus(ap, [ab[0] * along, ab[1] * along]);
    dot(d, d).sqrt()
}

/// To a line of segments; never negative.
pub fn line(p: Point, points: &[Point]) -> f64 {
    points.windows(2).map(|w| segment(p, w[0], w[1])).fold(f64::INFINITY, f64::min)
}

/// To a polygon, which is closed from its last corner to its first.
pub fn polygon(p: Point, corners: &[Point]) -> f64 {
    let mut nearest = f64::INFINITY;
    let mut inside = false;
    let mut before = corners[corners.len() - 1];
    for &corner in corners {
        nearest = nearest.min(segment(p, before, corner));
        // A ray to the right crosses this side: the parity of crossings says on which side the point lies.
        if (corner[1] > p[1]) != (before[1] > p[1]) {
            let x = corner[0] + (before[0] - corner[0]) * (p[1] - corner[1]) / (before[1] - corner[1]);
            inside ^= p[0] < x;
        }
        before = corner;
    }
    if inside { -nearest } else { nearest }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_of_a_square_and_of_a_disc_are_those_of_geometry() {
        let square = [[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]];
        for (p, expected) in [
            ([0.0, 0.0], -1.0),
            ([0.25, 0.5], -0.5),
            ([3.0, 0.5], 2.0),
            ([0.3, -1.5], 0.5),
            ([4.0, 5.0], 5.0),
            ([-4.0, -5.0], 5.0),
        ] {
            assert!((polygon(p, &square) - expected).abs() < 1e-12, "{p:?}: {}", polygon(p, &square));
        }
        assert_eq!(disc([3.0, 4.0], [0.0, 0.0], 2.0), 3.0);
        assert_eq!(line([1.0, 1.0], &[[0.0, 0.0], [2.0, 0.0], [2.0, 5.0]]), 1.0);
    }
}
