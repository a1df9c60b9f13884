//! ListUsers as the real service pages, filters and refuses.

use std::collections::BTreeSet;

use crate::support::{cognito, up};
use cruddur_local::Stack;
use serde_json::{Value, json};

struct Pool {
    stack: Stack,
    _folder: tempfile::TempDir,
}

impl Pool {
    async fn new() -> Pool {
        let folder = tempfile::tempdir().unwrap();
        Pool {
            stack: up(folder.path()).await,
            _folder: folder,
        }
    }

    async fn call(&self, action: &str, mut body: Value) -> (u16, Value) {
        body["UserPoolId"] = self.stack.state().cognito.user_pool_id.clone().into();
        cognito(&self.stack, action, body).await
    }

    async fn add(&self, username: &str, attributes: &[(&str, &str)]) {
        let attributes: Vec<Value> = attributes
            .iter()
            .map(|(name, value)| json!({"Name": name, "Value": value}))
            .collect();
        let body = json!({"Username": username, "UserAttributes": attributes});
        let (status, answer) = self.call("AdminCreateUser", body).await;
        assert_eq!(status, 200, "{answer}");
    }

    /// The usernames a filter finds.
    async fn found(&self, filter: &str) -> Vec<String> {
        let (status, page) = self.call("ListUsers", json!({"Filter": filter})).await;
        assert_eq!(status, 200, "{page}");
        names(&page)
    }

    async fn refused(&self, body: Value) -> String {
        let (status, answer) = self.call("ListUsers", body).await;
        assert_eq!(status, 400, "{answer}");
        answer["__type"].as_str().unwrap().to_owned()
    }
}

fn names(page: &Value) -> Vec<String> {
    let users = page["Users"].as_array().unwrap();
    let name = |user: &Value| user["Username"].as_str().unwrap().to_owned();
    users.iter().map(name).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_by_token_and_shows_each_user_once() {
    let pool = Pool::new().await;
    let adding = (0..128).map(|n| {
        let pool = &pool;
        async move { pool.add(&format!("user-{n:03}"), &[]).await }
    });
    for add in adding {
        add.await;
    }
    let mut seen = Vec::new();
    let mut sizes = Vec::new();
    let mut token = Value::Null;
    loop {
        let mut body = json!({});
        if !token.is_null() {
            body["PaginationToken"] = token;
        }
        let (status, page) = pool.call("ListUsers", body).await;
        assert_eq!(status, 200, "{page}");
        sizes.push(names(&page).len());
        seen.extend(names(&page));
        token = page["PaginationToken"].clone();
        // One who comes meanwhile comes last and moves nobody.
        if sizes.len() == 1 {
            pool.add("late", &[]).await;
        }
        if token.is_null() {
            break;
        }
    }
    assert_eq!(sizes, [60, 60, 11]);
    assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), 131);
    assert_eq!(seen.last().unwrap(), "late");

    let (_, page) = pool.call("ListUsers", json!({"Limit": 2})).await;
    assert_eq!(names(&page), seen[..2]);
    // No token after the last page, full or not.
    let (_, page) = pool
        .call(
            "ListUsers",
            json!({"Limit": 2, "Filter": "username ^= \"user-12\""}),
        )
        .await;
    assert_eq!(names(&page), ["user-120", "user-121"]);
    let token = page["PaginationToken"].clone();
    let body = json!({"PaginationToken": token, "Limit": 6, "Filter": "username ^= \"user-12\""});
    let (_, page) = pool.call("ListUsers", body).await;
    assert_eq!(names(&page).len(), 6);
    assert!(page.get("PaginationToken").is_none(), "{page}");
    pool.stack.stop().await.unwrap();
}

#[tokio::test]
async fn shows_filters_and_refuses_as_the_real_one_does() {
    let pool = Pool::new().await;
    let (_, page) = pool.call("ListUsers", json!({})).await;
    let andrew = page["Users"]
        .as_array()
        .unwrap()
        .iter()
        .find(|user| user["Attributes"].to_string().contains("andrewbrown@"))
        .unwrap();
    assert_eq!(andrew["UserStatus"], "CONFIRMED");
    assert_eq!(andrew["Enabled"], true);
    assert!(andrew["UserCreateDate"].as_f64().unwrap() > 1.7e9);
    let sub = andrew["Username"].as_str().unwrap();
    assert_eq!(sub.len(), 36);

    pool.add("plain", &[("email", "x\"y@example.com")]).await;
    for filter in [
        "preferred_username = \"andrewbrown\"".to_owned(),
        "preferred_username ^= \"andrew\"".to_owned(),
        "email=\"andrewbrown@example.com\"".to_owned(),
        "name = \"Andrew Brown\"".to_owned(),
        format!("sub = \"{sub}\""),
        format!("username = \"{sub}\""),
    ] {
        assert_eq!(pool.found(&filter).await, [sub], "{filter}");
    }
    assert_eq!(
        pool.found("email = \"x\\\"y@example.com\"").await,
        ["plain"]
    );
    assert_eq!(
        pool.found("cognito:user_status = \"confirmed\"")
            .await
            .len(),
        2
    );
    assert_eq!(
        pool.found("cognito:user_status ^= \"FORCE\"").await,
        ["plain"]
    );
    assert_eq!(
        pool.found("preferred_username = \"Andrewbrown\"")
            .await
            .len(),
        0
    );
    assert_eq!(pool.found("").await.len(), 3);
    pool.call("AdminDisableUser", json!({"Username": "plain"}))
        .await;
    assert_eq!(pool.found("status = \"Disabled\"").await, ["plain"]);

    // One without the attribute is listed all the same.
    let body = json!({"AttributesToGet": ["preferred_username"]});
    let (_, page) = pool.call("ListUsers", body).await;
    let users = page["Users"].as_array().unwrap();
    assert_eq!(users.len(), 3);
    for user in users {
        let expected = usize::from(user["Username"] != "plain");
        assert_eq!(
            user["Attributes"].as_array().unwrap().len(),
            expected,
            "{user}"
        );
    }

    let invalid = "InvalidParameterException";
    assert_eq!(pool.refused(json!({"Limit": 61})).await, invalid);
    assert_eq!(pool.refused(json!({"Limit": -1})).await, invalid);
    assert_eq!(
        pool.refused(json!({"PaginationToken": "none"})).await,
        invalid
    );
    assert_eq!(pool.refused(json!({"Filter": "email"})).await, invalid);
    assert_eq!(
        pool.refused(json!({"Filter": "custom:a = \"b\""})).await,
        invalid
    );
    assert_eq!(
        pool.refused(json!({"AttributesToGet": ["handle"]})).await,
        invalid
    );
    let body = json!({"UserPoolId": "us-east-1_none"});
    let (status, answer) = cognito(&pool.stack, "ListUsers", body).await;
    assert_eq!(
        (status, &answer["__type"]),
        (400, &json!("ResourceNotFoundException"))
    );
    pool.stack.stop().await.unwrap();
}
