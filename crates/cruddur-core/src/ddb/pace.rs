//! Keeps what requests consume to so many capacity units a second.
//!
//! What a request costs is known from its answer. So each is charged what the
//! last one cost, and the difference is settled when its own answer is there. Before
//! the first answer a request is charged a whole second, so that not as many are sent
//! at once as may be under way.

use std::time::Duration;

use tokio::time::Instant;

/// How much of a delay is made up for: what sleeping and sending are late by.
/// After a longer one, nobody wants a burst.
const SLACK: f64 = 0.1;

/// When requests may be sent.
#[derive(Debug)]
pub(super) struct Pace {
    units_per_second: f64,
    begun: Instant,
    /// The seconds after `begun` when everything charged so far is paid for.
    paid: f64,
    /// What the last request cost.
    likely: f64,
}

impl Pace {
    /// `units_per_second` is above zero.
    pub fn new(units_per_second: f64, now: Instant) -> Pace {
        Pace {
            units_per_second,
            begun: now,
            paid: 0.0,
            likely: units_per_second,
        }
    }

    /// When the next request may be sent.
    pub fn next(&self) -> Instant {
        let paid = Duration::try_from_secs_f64(self.paid).unwrap_or_default();
        self.begun + paid
    }

    /// Charges a request that is sent now; for [`Pace::settle`].
    pub fn charge(&mut self, now: Instant) -> f64 {
        let now = now.saturating_duration_since(self.begun).as_secs_f64();
        self.paid = self.paid.max(now - SLACK) + self.likely / self.units_per_second;
        self.likely
    }

    /// Settles what a request was charged once it is known what it consumed.
    pub fn settle(&mut self, charged: f64, consumed: f64) {
        self.paid += (consumed - charged) / self.units_per_second;
        if consumed > 0.0 {
            self.likely = consumed;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATE: Duration = Duration::from_millis(1);
    const ANSWER: Duration = Duration::from_millis(3);

    /// Seconds until requests of these costs are paid for, each sent a little
    /// late and answered a little later.
    fn spent(units_per_second: f64, costs: impl Iterator<Item = f64>) -> f64 {
        let begun = Instant::now();
        let mut now = begun;
        let mut pace = Pace::new(units_per_second, now);
        for cost in costs {
            now = now.max(pace.next()) + LATE;
            let charged = pace.charge(now);
            now += ANSWER;
            pace.settle(charged, cost);
        }
        (now.max(pace.next()) - begun).as_secs_f64()
    }

    #[test]
    fn units_a_second_are_kept_to_at_any_cost_of_a_request() {
        for (rate, cost) in [(5.0, 0.5), (5.0, 50.0), (100.0, 1.0), (1000.0, 25.0)] {
            let seconds = spent(rate, std::iter::repeat_n(cost, 300));
            let ratio = 300.0 * cost / seconds / rate;
            assert!((ratio - 1.0).abs() < 0.05, "{rate} {cost}: {ratio}");
        }
        let mixed = (0..300).map(|n| if n % 3 == 0 { 40.0 } else { 1.0 });
        let ratio = 4200.0 / spent(50.0, mixed) / 50.0;
        assert!((ratio - 1.0).abs() < 0.05, "{ratio}");
    }

    #[test]
    fn the_first_request_is_answered_before_the_second_is_sent() {
        let now = Instant::now();
        let mut pace = Pace::new(5.0, now);
        let charged = pace.charge(now);
        assert!(pace.next() > now + Duration::from_millis(899));
        pace.settle(charged, 0.5);
        assert!(pace.next() <= now + Duration::from_millis(101));
    }

    #[test]
    fn a_pause_is_no_credit_for_a_burst() {
        let now = Instant::now();
        let mut pace = Pace::new(10.0, now);
        let charged = pace.charge(now);
        pace.settle(charged, 10.0);
        let later = now + Duration::from_secs(60);
        pace.charge(later);
        assert!(pace.next() >= later + Duration::from_millis(899));
    }
}
