//! Pages as DynamoDB and Cognito may hand them out: short ones, empty ones that
//! are not the last, and one that comes with the token that asked for it.

use std::collections::HashMap;

use serde_json::{Value, json};

/// Where an operation's token stands in request and answer, and its list.
struct Names {
    start: &'static str,
    next: &'static str,
    list: &'static str,
}

fn names(operation: &str) -> Option<Names> {
    let (start, next, list) = match operation {
        "Scan" | "Query" => ("ExclusiveStartKey", "LastEvaluatedKey", "Items"),
        "ListTables" => (
            "ExclusiveStartTableName",
            "LastEvaluatedTableName",
            "TableNames",
        ),
        "ListUsers" => ("PaginationToken", "PaginationToken", "Users"),
        "GetRecords" => ("ShardIterator", "NextShardIterator", "Records"),
        _ => return None,
    };
    Some(Names { start, next, list })
}

pub struct Pages {
    /// The most items of a page.
    most: Option<u64>,
    /// The tokens that were made up, and what each stands for: an empty page
    /// needs one, and only the engine could tell which key lies in between.
    made_up: HashMap<String, Value>,
}

impl Pages {
    pub fn new(most: Option<u64>) -> Pages {
        Pages {
            most,
            made_up: HashMap::new(),
        }
    }

    /// Whether an operation's answer is a page.
    pub fn come_from(operation: &str) -> bool {
        names(operation).is_some()
    }

    /// Whether a page after the first is asked for. An iterator is no token: to
    /// read it again is no news.
    pub fn has_start(operation: &str, asked: &Value) -> bool {
        operation != "GetRecords"
            && names(operation).is_some_and(|names| !asked[names.start].is_null())
    }

    /// An empty page from which the same is asked for again.
    pub fn empty(&mut self, operation: &str, asked: &Value) -> Value {
        let names = names(operation).unwrap();
        let start = asked[names.start].clone();
        let number = self.made_up.len();
        let token = match operation {
            "GetRecords" => start.clone(),
            "Scan" | "Query" => json!({"pk": {"S": "made up"}, "sk": {"S": number.to_string()}}),
            _ => json!(format!("made-up-{number}")),
        };
        self.made_up.insert(token.to_string(), start);
        let mut page = json!({names.list: [], names.next: token});
        if asked["Select"] == "COUNT" {
            page = json!({names.next: token});
        }
        if matches!(operation, "Scan" | "Query") {
            page["Count"] = json!(0);
            page["ScannedCount"] = json!(0);
        }
        page
    }

    /// The request as the engine understands it, for a short page.
    pub fn resolved(&self, operation: &str, asked: &Value) -> Value {
        let mut asked = asked.clone();
        let Some(names) = names(operation) else {
            return asked;
        };
        // One made-up token may stand for another; an iterator stands for itself.
        while let Some(start) = self.made_up.get(&asked[names.start].to_string())
            && *start != asked[names.start]
        {
            asked[names.start] = start.clone();
        }
        let fields = asked.as_object_mut().unwrap();
        fields.retain(|_, value| !value.is_null());
        if let Some(most) = self.most {
            let limit = fields.get("Limit").and_then(Value::as_u64);
            let limit = limit.map_or(most, |limit| limit.min(most));
            fields.insert("Limit".to_owned(), json!(limit));
        }
        asked
    }

    /// Puts the token of the request where that of the next page belongs.
    pub fn repeat(operation: &str, asked: &Value, page: &mut Value) {
        let names = names(operation).unwrap();
        page[names.next] = asked[names.start].clone();
    }
}
