//! One `TransactWriteItems`, and the reasons for which DynamoDB cancels it.

use std::time::Duration;

use aws_sdk_dynamodb::operation::transact_write_items::{
    TransactWriteItemsError as TransactError, TransactWriteItemsInput,
};
use aws_sdk_dynamodb::types::builders::TransactWriteItemBuilder;
use aws_sdk_dynamodb::types::{
    AttributeValue, CancellationReason, ConditionCheck, Delete, Put, ReturnConsumedCapacity,
    TransactWriteItem,
};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::BeforeSerializationInterceptorContextMut;
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;

use super::Table;
use super::item::Item;
use super::retry::Patience;
use crate::{Error, Result, Service};

/// The most actions one transaction takes (AWS: `TransactWriteItems`).
pub(crate) const MAX_ACTIONS: usize = 100;

/// How a transaction ended that the service understood.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// All of it was written, for so many capacity units where that was asked.
    Written(f64),
    /// Nothing was: the conditions of these actions, counted from 0, do not
    /// hold. None are named where others were writing to the same items.
    Canceled(Vec<usize>),
    /// Nothing was, for want of capacity: this says so.
    Throttled(Error),
}

/// What a transaction comes to when it is sent again because its answer was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resent {
    /// It is known by its token and was written, for ten minutes.
    Written,
    /// Its conditions do not hold any more, and whoever asked for it sees that
    /// all of it is there. So it needs no token, which the service would have to
    /// remember: with each one the embedded engine looks through all of them.
    Canceled,
}

/// A condition on an item: an expression and what it refers to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Condition {
    expression: String,
    names: Vec<(String, String)>,
    values: Vec<(String, AttributeValue)>,
}

impl Condition {
    /// No item has the key.
    pub(crate) fn absent() -> Condition {
        Condition {
            expression: "attribute_not_exists(pk)".to_owned(),
            ..Condition::default()
        }
    }

    /// No item has the key, or one of the same message group.
    pub(crate) fn absent_or_of_group(group: &str) -> Condition {
        let mut condition = Condition::absent();
        condition
            .expression
            .push_str(" OR message_group_uuid = :group");
        let group = AttributeValue::S(group.to_owned());
        condition.values.push((":group".to_owned(), group));
        condition
    }

    /// The item is there and still has these attributes. Its keys need no
    /// comparing, and its message is not carried over to anything.
    pub(crate) fn unchanged(item: &Item) -> Condition {
        let mut condition = Condition {
            expression: "attribute_exists(pk)".to_owned(),
            ..Condition::default()
        };
        let carried = item
            .iter()
            .filter(|(name, _)| !["pk", "sk", "message"].contains(&name.as_str()));
        for (index, (name, value)) in carried.enumerate() {
            condition
                .expression
                .push_str(&format!(" AND #a{index} = :a{index}"));
            condition.names.push((format!("#a{index}"), name.clone()));
            condition.values.push((format!(":a{index}"), value.clone()));
        }
        condition
    }
}

/// The key of an item of this table.
fn key(item: &Item) -> Item {
    ["pk", "sk"]
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), item.get(*name)?.clone())))
        .collect()
}

/// The actions of a transaction that is being put together.
#[derive(Debug, Clone, Default)]
pub(crate) struct Actions(Vec<TransactWriteItem>);

impl Actions {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Moves the actions of another to the end of these.
    pub(crate) fn append(&mut self, other: &mut Actions) {
        self.0.append(&mut other.0);
    }

    /// These, in as many transactions as they need.
    pub(crate) fn chunks(&self) -> impl Iterator<Item = Actions> {
        let chunks = self.0.chunks(MAX_ACTIONS);
        chunks.map(|actions| Actions(actions.to_vec()))
    }

    pub(crate) fn put(&mut self, table: &Table, item: Item, when: Condition) {
        let put = Put::builder()
            .table_name(table.name())
            .set_item(Some(item))
            .condition_expression(when.expression)
            .set_expression_attribute_names(some(when.names))
            .set_expression_attribute_values(some(when.values));
        let put = put.build().ok();
        self.push(TransactWriteItem::builder().set_put(put));
    }

    pub(crate) fn delete(&mut self, table: &Table, item: &Item, when: Condition) {
        let delete = Delete::builder()
            .table_name(table.name())
            .set_key(Some(key(item)))
            .condition_expression(when.expression)
            .set_expression_attribute_names(some(when.names))
            .set_expression_attribute_values(some(when.values));
        let delete = delete.build().ok();
        self.push(TransactWriteItem::builder().set_delete(delete));
    }

    pub(crate) fn check(&mut self, table: &Table, item: &Item, when: Condition) {
        let check = ConditionCheck::builder()
            .table_name(table.name())
            .set_key(Some(key(item)))
            .condition_expression(when.expression)
            .set_expression_attribute_names(some(when.names))
            .set_expression_attribute_values(some(when.values));
        let check = check.build().ok();
        self.push(TransactWriteItem::builder().set_condition_check(check));
    }

    /// The parts of an action build, since all that they require was given.
    fn push(&mut self, action: TransactWriteItemBuilder) {
        self.0.push(action.build());
    }
}

/// DynamoDB refuses empty maps of names and values.
fn some<T>(pairs: Vec<(String, T)>) -> Option<std::collections::HashMap<String, T>> {
    (!pairs.is_empty()).then(|| pairs.into_iter().collect())
}

impl Table {
    /// An error of the service that it gave as a part of its answer.
    pub(crate) fn error_of(&self, code: &str, message: &str) -> Error {
        Error::Service {
            service: Service::DynamoDb,
            at: self.at.clone(),
            code: code.to_owned(),
            message: message.to_owned(),
        }
    }

    /// Writes all of it or nothing.
    ///
    /// # Errors
    ///
    /// What the service says of a transaction that could not be tried: it is
    /// too large, the table is gone, nobody answers.
    pub(crate) async fn transact(
        &self,
        actions: Actions,
        resent: Resent,
        capacity: Option<ReturnConsumedCapacity>,
    ) -> Result<Outcome> {
        let request = self
            .client
            .transact_write_items()
            .set_return_consumed_capacity(capacity)
            .set_transact_items(Some(actions.0));
        let sent = match resent {
            Resent::Written => request.send().await,
            Resent::Canceled => request.customize().interceptor(NoToken).send().await,
        };
        let error = match sent {
            Ok(answer) => {
                let units = answer.consumed_capacity().iter();
                let units = units.filter_map(|capacity| capacity.capacity_units).sum();
                return Ok(Outcome::Written(units));
            }
            Err(error) => error,
        };
        match error.as_service_error() {
            Some(TransactError::TransactionCanceledException(canceled)) => {
                self.canceled(canceled.cancellation_reasons())
            }
            _ => Err(self.error(error)),
        }
    }

    /// What the reasons come to, one an action, most of which are none.
    fn canceled(&self, reasons: &[CancellationReason]) -> Result<Outcome> {
        let error = |code: &str| {
            let reason = reasons.iter().find(|reason| reason.code() == Some(code))?;
            Some(reason.message().unwrap_or("no reason given"))
        };
        if let Some(message) = error("ValidationError") {
            return Err(self.error_of("ValidationException", message));
        }
        let throttled = error("ThrottlingError").or_else(|| error("ProvisionedThroughputExceeded"));
        if let Some(message) = throttled {
            let error = self.error_of("ProvisionedThroughputExceededException", message);
            return Ok(Outcome::Throttled(error));
        }
        let failed = reasons.iter().enumerate();
        let failed = failed.filter(|(_, reason)| reason.code() == Some("ConditionalCheckFailed"));
        Ok(Outcome::Canceled(failed.map(|(index, _)| index).collect()))
    }

    /// Like [`Table::transact`], again and again for as long as `patience` while
    /// there is no capacity for it. Tells what it consumed, where that is asked;
    /// `None` where it was canceled.
    ///
    /// # Errors
    ///
    /// As [`Table::transact`], and that there is no capacity.
    pub(crate) async fn transact_patiently(
        &self,
        actions: &Actions,
        capacity: Option<ReturnConsumedCapacity>,
        patience: Duration,
    ) -> Result<Option<f64>> {
        let mut patience = Patience::new(patience);
        loop {
            let sent = self.transact(actions.clone(), Resent::Written, capacity.clone());
            match (sent.await?, patience.failure()) {
                (Outcome::Written(units), _) => return Ok(Some(units)),
                (Outcome::Canceled(_), _) => return Ok(None),
                (Outcome::Throttled(_), Some(pause)) => tokio::time::sleep(pause).await,
                (Outcome::Throttled(error), None) => return Err(error),
            }
        }
    }
}

/// Takes out the token that the SDK gives to every transaction.
#[derive(Debug)]
struct NoToken;

#[dyn_dispatch_hint]
impl Intercept for NoToken {
    fn name(&self) -> &'static str {
        "no token"
    }

    fn modify_before_serialization(
        &self,
        context: &mut BeforeSerializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> std::result::Result<(), BoxError> {
        if let Some(input) = context
            .input_mut()
            .downcast_mut::<TransactWriteItemsInput>()
        {
            input.client_request_token = None;
        }
        Ok(())
    }
}
