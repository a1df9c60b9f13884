use aws_sdk_cognitoidentityprovider::Client;
use aws_sdk_cognitoidentityprovider::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_cognitoidentityprovider::types::AttributeType;
use cruddur_core::Error;
use cruddur_core::cognito::{Pool, PoolUser};
use cruddur_core::target::{Inputs, Target};

use crate::postgres::engines;

fn client() -> Client {
    let config = aws_sdk_cognitoidentityprovider::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("a", "b", None, None, "test"))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .endpoint_url(&engines().cognito);
    Client::from_conf(config.build())
}

async fn pool(id: Option<&str>) -> cruddur_core::Result<Pool> {
    let mut variables = vec![(
        "AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER",
        engines().cognito.as_str(),
    )];
    variables.extend(id.map(|id| ("AWS_COGNITO_USER_POOL_ID", id)));
    let target = Target::resolve(Inputs {
        variables: variables
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        ..Inputs::default()
    });
    Pool::connect(&target).await
}

async fn new_pool(client: &Client) -> String {
    let made = client
        .create_user_pool()
        .pool_name("test")
        .send()
        .await
        .unwrap();
    made.user_pool.unwrap().id.unwrap()
}

async fn add(client: &Client, pool: &str, username: &str, attributes: &[(&str, &str)]) {
    let mut request = client
        .admin_create_user()
        .user_pool_id(pool)
        .username(username)
        .message_action("SUPPRESS".into());
    for (name, value) in attributes {
        let attribute = AttributeType::builder().name(*name).value(*value);
        request = request.user_attributes(attribute.build().unwrap());
    }
    request.send().await.unwrap();
}

#[tokio::test]
async fn every_page_is_read_and_missing_attributes_are_no_matter() {
    let client = client();
    let id = new_pool(&client).await;
    for n in 0..130 {
        let handle = format!("handle{n}");
        let attributes = [
            ("preferred_username", handle.as_str()),
            ("email", "a@example.com"),
        ];
        let attributes = if n % 10 == 0 {
            &attributes[..0]
        } else {
            &attributes[..]
        };
        add(&client, &id, &format!("user{n}"), attributes).await;
    }
    let users = pool(Some(&id)).await.unwrap().users().await.unwrap();
    let mut names: Vec<_> = users.iter().map(|user| user.username.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 130);
    let find = |name: &str| -> &PoolUser { users.iter().find(|u| u.username == name).unwrap() };
    assert_eq!(find("user1").handle.as_deref(), Some("handle1"));
    assert_eq!(find("user1").email.as_deref(), Some("a@example.com"));
    assert!(find("user1").enabled);
    for user in &users {
        let nanoseconds = user.created.unwrap().timestamp_subsec_nanos();
        assert_eq!(nanoseconds % 1_000, 0, "{user:?}");
    }
    assert_eq!(find("user10").handle, None);
    assert!(find("user10").sub.is_some());
    client
        .delete_user_pool()
        .user_pool_id(&id)
        .send()
        .await
        .unwrap();
}

#[tokio::test]
async fn an_empty_pool_has_no_users() {
    let client = client();
    let id = new_pool(&client).await;
    assert_eq!(pool(Some(&id)).await.unwrap().users().await.unwrap(), []);
    client
        .delete_user_pool()
        .user_pool_id(&id)
        .send()
        .await
        .unwrap();
}

#[tokio::test]
async fn a_pool_that_is_not_there_is_told_from_none_configured() {
    for id in ["us-east-1_missing", "nonsense"] {
        let error = pool(Some(id)).await.unwrap().users().await.unwrap_err();
        assert!(matches!(error, Error::PoolNotFound { .. }), "{error}");
    }
    let error = pool(None).await.unwrap_err();
    assert!(matches!(error, Error::NotConfigured { .. }), "{error}");
}
