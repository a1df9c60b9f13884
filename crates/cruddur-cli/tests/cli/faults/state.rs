//! What the engines hold, asked without faults, and what may never be seen.

use std::collections::{BTreeMap, BTreeSet};

use cruddur_core::ddb::seed;
use postgres::{Client, NoTls};
use serde_json::Value;

use crate::support::{TestEnvironment, engines};

/// The items of the table, without DynamoDB's types.
pub fn items(environment: &TestEnvironment) -> Vec<Value> {
    let scan = environment.run(&["ddb", "scan", "-o", "jsonl"]).exits(0);
    let lines = scan.stdout.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// A message group in the table.
#[derive(Default)]
pub struct Group {
    /// One a participant.
    pub items: Vec<Value>,
    pub messages: Vec<Value>,
}

impl Group {
    /// All that the table holds, which is one group.
    pub fn read(environment: &TestEnvironment) -> Group {
        let (items, messages) = items(environment)
            .into_iter()
            .partition(|item| item["pk"].as_str().unwrap().starts_with("GRP#"));
        Group { items, messages }
    }

    /// The groups that the table holds.
    pub fn each(environment: &TestEnvironment) -> Vec<Group> {
        let mut groups: BTreeMap<String, Group> = BTreeMap::new();
        for item in items(environment) {
            let uuid = item["pk"].as_str().unwrap().strip_prefix("MSG#");
            let uuid = uuid.or(item["message_group_uuid"].as_str()).unwrap();
            let group = groups.entry(uuid.to_owned()).or_default();
            match item["message_group_uuid"] {
                Value::Null => group.messages.push(item),
                _ => group.items.push(item),
            }
        }
        groups.into_values().collect()
    }

    /// Nothing is there twice, and nobody has the group alone.
    #[track_caller]
    pub fn is_whole(&self) {
        for (items, key) in [(&self.items, "pk"), (&self.messages, "message_uuid")] {
            let values: BTreeSet<&str> = items.iter().map(|i| i[key].as_str().unwrap()).collect();
            assert_eq!(values.len(), items.len(), "{items:#?}");
        }
    }

    /// So many messages, and the newest is the one that both participants see.
    #[track_caller]
    pub fn is_complete(&self, messages: usize) {
        self.is_whole();
        assert_eq!(self.messages.len(), messages);
        assert_eq!(self.items.len(), 2, "{:#?}", self.items);
        let newest = self.messages.iter().max_by_key(|m| m["sk"].as_str());
        let newest = newest.unwrap();
        for item in &self.items {
            assert_eq!(item["sk"], newest["sk"]);
            assert_eq!(item["message"], newest["message"]);
        }
    }
}

/// How many messages the built-in conversation has.
pub fn seeded_messages() -> usize {
    seed::built_in().unwrap()[0].messages.len()
}

/// The first column of a query on a database.
fn query(url: &str, sql: &str) -> Vec<String> {
    let mut client = Client::connect(url, NoTls).unwrap();
    let rows = client.query(sql, &[]).unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// Changes the environment's database.
pub fn execute(environment: &TestEnvironment, sql: &str) {
    let mut client = Client::connect(&environment.connection_url(), NoTls).unwrap();
    client.batch_execute(sql).unwrap();
}

/// Whether the environment's database is there.
pub fn database_exists(environment: &TestEnvironment) -> bool {
    let sql = "select datname::text from pg_database";
    let names = query(&engines().postgres, sql);
    names.contains(&environment.database)
}

/// The tables of the environment's database.
pub fn tables(environment: &TestEnvironment) -> Vec<String> {
    let sql = "select tablename::text from pg_tables where schemaname = 'public' order by 1";
    query(&environment.connection_url(), sql)
}

/// Users and activities, each as `handle` or `handle: message`.
pub fn rows(environment: &TestEnvironment) -> Vec<String> {
    let sql = "select handle::text from public.users \
               union all select handle || ': ' || message from public.activities \
               join public.users on users.uuid = user_uuid order by 1";
    query(&environment.connection_url(), sql)
}

/// Each user's Cognito id, as `handle id`.
pub fn cognito_ids(environment: &TestEnvironment) -> Vec<String> {
    let sql = "select handle || ' ' || cognito_user_id from public.users order by 1";
    query(&environment.connection_url(), sql)
}
