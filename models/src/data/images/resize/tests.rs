use super::*;

const SIZE: [usize; 3] = [45, 61, 3];

fn picture() -> Picture {
    Picture::new(SIZE, include_bytes!("../fixtures/picture.raw").to_vec())
}

/// The largest difference.
fn difference(a: &[u8], b: &[u8]) -> u8 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| a.abs_diff(*b)).max().unwrap_or(0)
}

#[test]
fn resizing_gives_the_bits_of_pillow() {
    for (height, width, expected) in [
        (16, 16, &include_bytes!("../fixtures/resized-16x16.raw")[..]),
        (20, 61, include_bytes!("../fixtures/resized-20x61.raw")),
        (45, 23, include_bytes!("../fixtures/resized-45x23.raw")),
        (90, 100, include_bytes!("../fixtures/resized-90x100.raw")),
    ] {
        assert_eq!(difference(&resize(&picture(), Region::of(&picture()), height, width), expected), 0, "{height} x {width}");
    }
    let grey = Picture::new([45, 61, 1], include_bytes!("../fixtures/grey-picture.raw").to_vec());
    let expected = include_bytes!("../fixtures/resized-grey-16x16.raw");
    assert_eq!(difference(&resize(&grey, Region::of(&grey), 16, 16), expected), 0);
}

#[test]
fn where_pillow_takes_columns_first_the_rounding_in_between_differs() {
    let expected = include_bytes!("../fixtures/resized-7x130.raw");
    assert_eq!(difference(&resize(&picture(), Region::of(&picture()), 7, 130), expected), 1);
    // Resizing a region ignores the pixels around it.
    let region = Region { top: 5, left: 7, height: 31, width: 22 };
    assert_eq!(difference(&resize(&picture(), region, 24, 24), include_bytes!("../fixtures/part.raw")), 1);
}

#[test]
fn a_part_of_the_result_is_that_part_of_the_whole_result() {
    for (height, width) in [(20, 30), (100, 90), (45, 20), (20, 61), (45, 61)] {
        let whole = resize(&picture(), Region::of(&picture()), height, width);
        let wanted = Region { top: 3, left: 5, height: 11, width: 9 };
        let part = resize_part(&picture(), Region::of(&picture()), [height, width], wanted);
        let cut: Vec<u8> = (3..14).flat_map(|y| whole[(y * width + 5) * 3..(y * width + 14) * 3].to_vec()).collect();
        assert!(part == cut, "{height} x {width}");
    }
}

#[test]
fn a_picture_of_one_colour_stays_so_at_any_size() {
    for value in [0, 1, 127, 254, 255] {
        for side in [1, 2, 3, 50, 400] {
            let picture = Picture::new([side, side + 1, 1], vec![value; side * (side + 1)]);
            assert!(resize(&picture, Region::of(&picture), 37, 41).iter().all(|p| *p == value), "{side}: {value}");
        }
    }
}
