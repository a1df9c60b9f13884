//! What the stack's Cognito answers to those who sign in, and what it keeps.

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{cognito, up};
use cruddur_local::Stack;

async fn add(stack: &Stack, username: &str) -> (u16, Value) {
    let pool = &stack.state().cognito.user_pool_id;
    let user = json!({"UserPoolId": pool, "Username": username});
    cognito(stack, "AdminCreateUser", user).await
}

async fn sign_in(stack: &Stack, username: &str) -> Value {
    let state = stack.state();
    let set = json!({
        "UserPoolId": state.cognito.user_pool_id, "Username": username,
        "Password": "Passw0rd!", "Permanent": true,
    });
    assert_eq!(cognito(stack, "AdminSetUserPassword", set).await.0, 200);
    let sign_in = json!({
        "ClientId": state.cognito.client_id, "AuthFlow": "USER_PASSWORD_AUTH",
        "AuthParameters": {"USERNAME": username, "PASSWORD": "Passw0rd!"},
    });
    let (status, answer) = cognito(stack, "InitiateAuth", sign_in).await;
    assert_eq!(status, 200, "{answer}");
    answer["AuthenticationResult"].clone()
}

#[tokio::test]
async fn a_token_is_its_users_and_what_is_not_done_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let stack = up(folder.path()).await;
    for name in ["ann", "bob", "eve"] {
        assert_eq!(add(&stack, name).await.0, 200);
    }
    for name in ["ann", "bob", "eve"] {
        let token = sign_in(&stack, name).await["AccessToken"].clone();
        let (_, user) = cognito(&stack, "GetUser", json!({"AccessToken": token})).await;
        assert_eq!(user["Username"], name, "{user}");
    }
    // One who was signed out, or is disabled, has to sign in again.
    let pool = &stack.state().cognito.user_pool_id;
    for (name, action) in [
        ("bob", "AdminUserGlobalSignOut"),
        ("eve", "AdminDisableUser"),
    ] {
        let token = sign_in(&stack, name).await["AccessToken"].clone();
        let user = json!({"UserPoolId": pool, "Username": name});
        assert_eq!(cognito(&stack, action, user).await.0, 200);
        let (status, _) = cognito(&stack, "GetUser", json!({"AccessToken": token})).await;
        assert_eq!(status, 400, "{action}");
    }
    let tokens = sign_in(&stack, "ann").await;
    let token = &tokens["AccessToken"];
    let client = &stack.state().cognito.client_id;
    let refresh = json!({
        "ClientId": client, "AuthFlow": "REFRESH_TOKEN_AUTH",
        "AuthParameters": {"REFRESH_TOKEN": tokens["RefreshToken"]},
    });
    let unsupported = "UnsupportedOperationException";
    for (action, body, kind) in [
        (
            "GetUser",
            json!({"AccessToken": "bad"}),
            "NotAuthorizedException",
        ),
        ("DeleteUser", json!({"AccessToken": token}), unsupported),
        (
            "ChangePassword",
            json!({"AccessToken": token, "PreviousPassword": "x", "ProposedPassword": "y"}),
            unsupported,
        ),
        ("InitiateAuth", refresh, unsupported),
        ("ListDevices", json!({"AccessToken": "bad"}), unsupported),
        (
            "RevokeToken",
            json!({"ClientId": client, "Token": "bad"}),
            unsupported,
        ),
    ] {
        let (status, answer) = cognito(&stack, action, body).await;
        assert_eq!((status, &answer["__type"]), (400, &json!(kind)), "{action}");
    }
    stack.stop().await.unwrap();
}

#[tokio::test]
async fn what_could_not_be_saved_is_as_soon_as_it_can_be() {
    let folder = tempfile::tempdir().unwrap();
    let stack = up(folder.path()).await;
    let (file, aside) = (
        folder.path().join(".cruddur/cognito.json"),
        folder.path().join("aside"),
    );
    // No file takes the place of a folder: it stands for a disk that is full.
    fs::rename(&file, aside).unwrap();
    fs::create_dir(&file).unwrap();
    let (status, answer) = add(&stack, "late").await;
    assert_eq!(status, 400, "{answer}");
    assert_eq!(answer["__type"], "InternalErrorException");
    fs::remove_dir(&file).unwrap();
    let saved = || fs::read_to_string(&file).is_ok_and(|text| text.contains("late"));
    for _ in 0..500 {
        if saved() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(saved());
    stack.stop().await.unwrap();
}

#[tokio::test]
async fn what_is_left_of_a_stack_writes_nothing_into_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let old = up(folder.path()).await;
    fs::remove_dir_all(folder.path().join(".cruddur")).unwrap();
    let (status, answer) = add(&old, "ghost").await;
    assert_eq!(status, 400, "{answer}");
    let new = up(folder.path()).await;
    let pool = new.state().cognito.user_pool_id.clone();
    let file = folder.path().join(".cruddur/cognito.json");
    let is_own = || {
        let text = fs::read_to_string(&file).unwrap();
        text.contains(&pool) && !text.contains("ghost")
    };
    // It looks once a second whether there is something to save, and when it ends.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert!(is_own());
    let told = old.stop().await.unwrap_err();
    assert!(told.to_string().contains("cognito.json"), "{told}");
    assert!(is_own());
    new.stop().await.unwrap();
}
