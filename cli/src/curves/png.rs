//! Figures as PNG, in light, with a font of their own: a picture is the same on every machine.

use noto_sans_mono_bitmap::{FontWeight, RasterHeight, RasterizedChar, get_raster};
use resnetc::ErrorCode;
use tiny_skia::{
    Color, FillRule, Mask, Paint, Path, PathBuilder, Pixmap, Rect, StrokeDash, Transform,
};

use super::figure::{AREA_OPACITY, Anchor, Figure, Ink, Place, Shape, Stroke};
use crate::failure::Failure;

/// Pixels of the picture in a row, for one of the figure: screens and papers have more of them.
const SCALE: f32 = 2.0;

/// The height of a character's cell, in pixels of the picture, and where in it the baseline is.
const TEXT: RasterHeight = RasterHeight::Size24;
const BASELINE: f64 = 19.0;

/// Draws a figure.
pub(super) fn draw(figure: &Figure) -> Result<Vec<u8>, Failure> {
    let pixels = |length: f64| (length * f64::from(SCALE)).ceil() as u32;
    let (width, height) = (pixels(figure.width), pixels(figure.height));
    let canvas = Pixmap::new(width, height).zip(Mask::new(width, height));
    let (pixmap, text) = canvas.ok_or_else(|| too_large(width, height))?;
    let mut canvas = Canvas { pixmap, text };
    canvas.pixmap.fill(colour(Ink::Ground, 1.0));
    for shape in &figure.shapes {
        canvas.draw(shape);
    }
    canvas.write_text();
    canvas.pixmap.encode_png().map_err(|e| Failure::new(format!("the picture: {e}")))
}

fn too_large(width: u32, height: u32) -> Failure {
    Failure::new(format!("no memory for a picture of {width} x {height} pixels"))
        .code(ErrorCode::OutOfMemory)
}

struct Canvas {
    pixmap: Pixmap,
    /// How much of each pixel text covers: all of it has one colour, and is in front.
    text: Mask,
}

impl Canvas {
    fn draw(&mut self, shape: &Shape) {
        match shape {
            Shape::Line { stroke, ink, places } => {
                if let Some(path) = path(places, false) {
                    let paint = paint(*ink, 1.0);
                    self.pixmap.stroke_path(&path, &paint, &form(*stroke), scaled(), None);
                }
            }
            Shape::Area { ink, outline } => {
                if let Some(path) = path(outline, true) {
                    let paint = paint(*ink, AREA_OPACITY);
                    self.pixmap.fill_path(&path, &paint, FillRule::Winding, scaled(), None);
                }
            }
            Shape::Text { at, anchor, text } => self.set(*at, *anchor, text),
        }
    }

    /// Covers what a line of text does.
    fn set(&mut self, at: Place, anchor: Anchor, text: &str) {
        let cells: Vec<RasterizedChar> = text.chars().filter_map(cell).collect();
        let length: usize = cells.iter().map(RasterizedChar::width).sum();
        let before = match anchor {
            Anchor::Start => 0.0,
            Anchor::Middle => length as f64 / 2.0,
            Anchor::End => length as f64,
        };
        let mut left = (at.0 * f64::from(SCALE) - before).round();
        let top = (at.1 * f64::from(SCALE) - BASELINE).round();
        for cell in cells {
            self.cover(cell, left as i64, top as i64);
            left += cell.width() as f64;
        }
    }

    /// Covers what a character does; what is outside of the picture is cut off.
    fn cover(&mut self, cell: RasterizedChar, left: i64, top: i64) {
        let (width, height) = (i64::from(self.text.width()), i64::from(self.text.height()));
        for (y, row) in (top..).zip(cell.rows()) {
            for (x, &covered) in (left..).zip(row) {
                if (0..width).contains(&x) && (0..height).contains(&y) {
                    let pixel = &mut self.text.data_mut()[(y * width + x) as usize];
                    *pixel = covered.max(*pixel);
                }
            }
        }
    }

    fn write_text(&mut self) {
        let (width, height) = (self.pixmap.width() as f32, self.pixmap.height() as f32);
        if let Some(everything) = Rect::from_xywh(0.0, 0.0, width, height) {
            let paint = paint(Ink::Text, 1.0);
            self.pixmap.fill_rect(everything, &paint, Transform::identity(), Some(&self.text));
        }
    }
}

/// A character, or the sign for one that the font lacks.
fn cell(c: char) -> Option<RasterizedChar> {
    let found = |c| get_raster(c, FontWeight::Regular, TEXT);
    found(c).or_else(|| found(char::REPLACEMENT_CHARACTER))
}

fn scaled() -> Transform {
    Transform::from_scale(SCALE, SCALE)
}

fn path(places: &[Place], closed: bool) -> Option<Path> {
    let mut path = PathBuilder::new();
    let (&(x, y), others) = places.split_first()?;
    path.move_to(x as f32, y as f32);
    for &(x, y) in others {
        path.line_to(x as f32, y as f32);
    }
    if closed {
        path.close();
    }
    path.finish()
}

fn form(stroke: Stroke) -> tiny_skia::Stroke {
    let dash = stroke.dashes().and_then(|dashes| StrokeDash::new(dashes.to_vec(), 0.0));
    tiny_skia::Stroke { width: stroke.width(), dash, ..Default::default() }
}

fn colour(ink: Ink, opacity: f32) -> Color {
    let [_, red, green, blue] = ink.colour().0.to_be_bytes();
    let mut colour = Color::from_rgba8(red, green, blue, 255);
    colour.set_alpha(opacity);
    colour
}

fn paint(ink: Ink, opacity: f32) -> Paint<'static> {
    let mut paint = Paint::default();
    paint.set_color(colour(ink, opacity));
    paint
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The colours of a drawn figure of 40 x 20, a row after the other.
    fn drawn(shapes: Vec<Shape>) -> Vec<[u8; 3]> {
        let png = draw(&Figure { width: 40.0, height: 20.0, shapes }).unwrap();
        let picture = image::load_from_memory(&png).unwrap().into_rgb8();
        assert_eq!(picture.dimensions(), (80, 40));
        picture.pixels().map(|pixel| pixel.0).collect()
    }

    fn rgb(ink: Ink) -> [u8; 3] {
        let [_, rgb @ ..] = ink.colour().0.to_be_bytes();
        rgb
    }

    /// Where an ink alone is, as columns and rows from the first to the last.
    fn extent(pixels: &[[u8; 3]], ink: Ink) -> Option<[(usize, usize); 2]> {
        let at: Vec<usize> = (0..pixels.len()).filter(|&i| pixels[i] == rgb(ink)).collect();
        let range = |of: fn(usize) -> usize| {
            let of = at.iter().map(|&i| of(i));
            of.clone().min().zip(of.max())
        };
        Some([range(|i| i % 80)?, range(|i| i / 80)?])
    }

    fn line(stroke: Stroke) -> Shape {
        Shape::Line { stroke, ink: Ink::Series(3), places: vec![(5.0, 10.0), (35.0, 10.0)] }
    }

    fn text(text: &str, at: Place, anchor: Anchor) -> Shape {
        Shape::Text { at, anchor, text: text.to_owned() }
    }

    #[test]
    fn lines_are_where_they_should_be_and_as_wide() {
        let found = |stroke| extent(&drawn(vec![line(stroke)]), Ink::Series(3));
        assert_eq!(found(Stroke::Solid), Some([(10, 69), (18, 21)]));
        assert_eq!(found(Stroke::Hairline), Some([(10, 69), (19, 20)]));
        let dashed = drawn(vec![line(Stroke::Dashed)]);
        let covered = dashed.iter().filter(|&&pixel| pixel == rgb(Ink::Series(3))).count();
        assert!(0 < covered && covered < 60 * 3, "{covered}");
    }

    #[test]
    fn areas_are_light_and_do_not_hide() {
        let outline = vec![(0.0, 0.0), (40.0, 0.0), (40.0, 20.0), (0.0, 20.0)];
        let area = Shape::Area { ink: Ink::Series(3), outline };
        let light = drawn(vec![area.clone()])[0];
        for (light, full) in light.into_iter().zip(rgb(Ink::Series(3))) {
            let wanted = 255.0 - AREA_OPACITY * (255.0 - f32::from(full));
            assert!((f32::from(light) - wanted).abs() <= 1.0, "{light} {wanted}");
        }
        let behind = drawn(vec![line(Stroke::Solid), area]);
        assert!(behind[20 * 80 + 40] != light);
    }

    #[test]
    fn text_stands_on_its_place() {
        let of = |anchor| extent(&drawn(vec![text("HH", (20.0, 15.0), anchor)]), Ink::Text);
        let all = [Anchor::Start, Anchor::Middle, Anchor::End].map(|anchor| of(anchor).unwrap());
        let [[start, rows], [middle, _], [end, _]] = all;
        assert!(start.0 >= 40 && end.1 <= 40, "{start:?} {end:?}");
        assert!(middle.0.abs_diff(79 - middle.1) <= 2, "{middle:?}");
        // A capital letter stands on the baseline.
        assert_eq!(rows.1, 29);
    }

    #[test]
    fn text_beyond_the_picture_is_cut_and_unknown_characters_have_a_sign() {
        drawn(vec![text(&"long ".repeat(100), (30.0, -2.0), Anchor::Start)]);
        drawn(vec![text(&"long ".repeat(100), (-30.0, 500.0), Anchor::End)]);
        let unknown = drawn(vec![text("\u{6f22}", (10.0, 15.0), Anchor::Start)]);
        assert!(extent(&unknown, Ink::Text).is_some());
    }
}
