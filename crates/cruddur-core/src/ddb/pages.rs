//! Lists that come in pages, followed to the last one.
//!
//! Not by the SDK's paginators: where a page leads back to itself, they end as
//! if it were the last, and what is missing goes unnoticed.

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;

use super::Table;
use super::item::{Item, string};
use crate::{Result, Service, aws};

impl Table {
    /// The names of every table of the endpoint.
    ///
    /// # Errors
    ///
    /// [`crate::Error::WrongServer`] where a page leads back to itself or has no
    /// list, and why a request failed.
    pub async fn list_tables(&self) -> Result<Vec<String>> {
        let mut names = Vec::new();
        let mut start = None;
        loop {
            let request = self.client.list_tables();
            let page = request
                .set_exclusive_start_table_name(start.clone())
                .send()
                .await
                .map_err(|error| self.error(error))?;
            names.extend(page.table_names.ok_or_else(|| self.empty_answer())?);
            let next = page.last_evaluated_table_name;
            start = self.next_page(start.as_ref(), next)?;
            if start.is_none() {
                return Ok(names);
            }
        }
    }

    /// A query of all that stands under a partition key, read consistently: what
    /// was just written decides.
    pub(crate) fn partition(&self, pk: String) -> QueryFluentBuilder {
        self.client
            .query()
            .table_name(&self.name)
            .consistent_read(true)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", string(pk))
    }

    /// Hands the items of every page of a query to `take`.
    ///
    /// # Errors
    ///
    /// As [`Table::list_tables`].
    pub(crate) async fn every_page(
        &self,
        query: QueryFluentBuilder,
        mut take: impl FnMut(Vec<Item>),
    ) -> Result<()> {
        let mut start: Option<Item> = None;
        loop {
            let request = query.clone().set_exclusive_start_key(start.clone());
            let answer = request.send().await;
            let page = answer.map_err(|error| self.error(error))?;
            take(page.items.ok_or_else(|| self.empty_answer())?);
            start = self.next_page(start.as_ref(), page.last_evaluated_key)?;
            if start.is_none() {
                return Ok(());
            }
        }
    }

    /// Where the next page starts, if there is one. It must not be where this
    /// one did: what it holds would be taken again, and forever.
    ///
    /// # Errors
    ///
    /// [`crate::Error::WrongServer`] where it is.
    pub(crate) fn next_page<T: PartialEq>(
        &self,
        start: Option<&T>,
        next: Option<T>,
    ) -> Result<Option<T>> {
        if next.is_some() && start == next.as_ref() {
            return Err(aws::repeats_itself(Service::DynamoDb, &self.at));
        }
        Ok(next)
    }
}
