//! The bar that a person watches while many items are written.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::ui::Ui;

/// A bar for work on `total` things; where the number is not known, their count.
/// It is drawn on a terminal only, and gone when it is dropped.
pub struct Bar(ProgressBar);

impl Bar {
    pub fn new(ui: &Ui, total: Option<u64>, what: &str) -> Bar {
        let template = match total {
            Some(_) => "{bar:30} {pos} of {len} {msg}, {per_sec}",
            None => "{spinner} {pos} {msg}, {per_sec}",
        };
        let bar = match total {
            Some(total) => ProgressBar::new(total),
            None => ProgressBar::no_length(),
        };
        bar.set_draw_target(match ui.bars {
            true => ProgressDrawTarget::stderr(),
            false => ProgressDrawTarget::hidden(),
        });
        // The templates above are sound; without one the default is drawn.
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Bar(bar.with_message(what.to_owned()))
    }

    /// Shows that so many are done, of so many.
    pub fn set(&self, done: u64, total: Option<u64>) {
        if let Some(total) = total {
            self.0.set_length(total);
        }
        self.0.set_position(done);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
