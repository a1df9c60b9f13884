//! The AWS Lambda function that keeps conversations up to date.

fn main() {}
