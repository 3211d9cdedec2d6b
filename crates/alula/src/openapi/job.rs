//! Inputs where there is no request.

use std::fmt::Display;

use super::Operation;

impl Operation<'_> {
    /// Says that an input reads this from the request, such as `the header x-tenant`: a mistake
    /// where there is none, which is in a job.
    pub fn needs_request(&mut self, what: impl Display) {
        if self.is_job {
            let mistake = format!("{}: it reads {what}, but a job has no request", self.title());
            self.plan.add_mistakes(&[mistake]);
        }
    }
}

#[cfg(feature = "jobs")]
impl<'a> Operation<'a> {
    /// The inputs of a job.
    pub(crate) fn of_job(plan: &'a mut super::Plan, title: &'a str) -> Self {
        let mut operation = Self::new(plan, title, &[], false);
        operation.is_job = true;
        operation
    }

    /// Says that an input is for jobs only.
    pub(crate) fn needs_job(&mut self, what: &str) {
        if !self.is_job {
            self.mistake(format!("{what} is for functions with `#[job]`"));
        }
    }
}
