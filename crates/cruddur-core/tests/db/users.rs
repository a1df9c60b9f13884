use std::sync::Arc;

use cruddur_core::Error;
use cruddur_core::cognito::Account;
use cruddur_core::db::Database;
use cruddur_core::db::cognito_ids::{Matched, Outcome};
use cruddur_core::db::script::Script;
use cruddur_core::db::users::Who;
use futures_util::future;

use crate::postgres::{TestDatabase, empty, sql};

async fn seeded() -> TestDatabase {
    let database = empty().await;
    database.load_schema(Script::schema(), false).await.unwrap();
    database.load_seed(Script::seed(), false).await.unwrap();
    database
}

fn pool_user(handle: Option<&str>, sub: &str) -> Account {
    Account {
        handle: handle.map(str::to_owned),
        sub: Some(sub.to_owned()),
        username: format!("name of {sub}"),
    }
}

#[tokio::test]
async fn users_are_found_by_handle_in_the_order_asked_for() {
    let database = seeded().await;
    let users = database.users(None).await.unwrap();
    let handles: Vec<_> = users.iter().map(|user| user.handle.as_str()).collect();
    assert_eq!(handles, ["andrewbrown", "bayko", "londo"]);
    assert_eq!(database.users(Some("londo")).await.unwrap()[0], users[2]);
    let people = database
        .people_by_handles(&["londo", "bayko", "londo"])
        .await
        .unwrap();
    let names: Vec<_> = people
        .iter()
        .map(|person| person.display_name.as_str())
        .collect();
    assert_eq!(names, ["Londo Mollari", "Andrew Bayko", "Londo Mollari"]);
    assert_eq!(database.person_by_handle("bayko").await.unwrap(), people[1]);
    assert_eq!(people[1].uuid, users[1].uuid.to_string());
}

#[tokio::test]
async fn a_handle_that_several_users_have_is_nobodys() {
    let database = seeded().await;
    let twice = "alter table users drop constraint users_handle_key;
        insert into users (display_name, handle, email, cognito_user_id)
        values ('Another', 'bayko', '', 'MOCK')";
    sql(&database, twice).await;
    let bayko = Who::Handle("bayko".to_owned());
    let londo = Who::Handle("londo".to_owned());
    for found in [
        database.person_by_handle("bayko").await.map(drop),
        database
            .people_by_handles(&["londo", "bayko"])
            .await
            .map(drop),
        database.sender_and_receiver(&londo, &bayko).await.map(drop),
    ] {
        let error = found.unwrap_err();
        assert!(matches!(error, Error::Failed(_)), "{error}");
        let said = "several users have the handle \"bayko\" in database";
        assert!(error.to_string().starts_with(said), "{error}");
    }
}

#[tokio::test]
async fn an_unknown_handle_names_those_that_come_close() {
    let database = seeded().await;
    for (typed, expected) in [
        ("bayco", &["bayko"][..]),
        ("@londo", &["londo"]),
        ("Andrew", &["andrewbrown"]),
        ("o'brien", &[]),
        ("100%", &[]),
        ("🌊", &[]),
        ("", &[]),
    ] {
        for found in [
            database.users(Some(typed)).await.map(drop),
            database.person_by_handle(typed).await.map(drop),
            database
                .people_by_handles(&["bayko", typed])
                .await
                .map(drop),
        ] {
            match found.unwrap_err() {
                Error::UserNotFound { handle, close, .. } => {
                    assert_eq!(
                        (handle.as_str(), close.as_slice()),
                        (typed, expected.map_owned().as_slice())
                    );
                }
                other => panic!("{other}"),
            }
        }
    }
    let error = database.users(Some("a\0b")).await.unwrap_err();
    assert!(matches!(error, Error::Usage(_)), "{error}");
}

trait MapOwned {
    fn map_owned(&self) -> Vec<String>;
}

impl MapOwned for &[&str] {
    fn map_owned(&self) -> Vec<String> {
        self.iter().map(|text| (*text).to_owned()).collect()
    }
}

#[tokio::test]
async fn sender_and_receiver_are_found_each_by_their_own_key() {
    let database = seeded().await;
    sql(
        &database,
        "update users set cognito_user_id = 'sub-1' where handle = 'bayko'",
    )
    .await;
    let by_id = Who::CognitoId("sub-1".to_owned());
    let by_handle = Who::Handle("londo".to_owned());
    let (sender, receiver) = database
        .sender_and_receiver(&by_id, &by_handle)
        .await
        .unwrap();
    assert_eq!(
        (sender.handle.as_str(), receiver.handle.as_str()),
        ("bayko", "londo")
    );
    let (sender, receiver) = database
        .sender_and_receiver(&by_handle, &by_handle)
        .await
        .unwrap();
    assert_eq!(sender, receiver);
    let shared = Who::CognitoId("MOCK".to_owned());
    for (who, expected) in [
        (&shared, "several"),
        (&Who::CognitoId("x".to_owned()), "no user"),
    ] {
        let error = database
            .sender_and_receiver(who, &by_handle)
            .await
            .unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
}

async fn matched(database: &Database, pool: Vec<Account>) -> Vec<Matched> {
    let hand_over = async |take: &mut dyn FnMut(Account)| {
        pool.into_iter().for_each(take);
        Ok(())
    };
    database.match_cognito_ids(hand_over).await.unwrap()
}

async fn updated(database: &Database, pool: Vec<Account>) -> Arc<Vec<Matched>> {
    let matched = Arc::new(matched(database, pool).await);
    database.set_cognito_ids(&matched).await.unwrap();
    matched
}

#[tokio::test]
async fn every_user_of_pool_and_database_has_a_result() {
    let database = seeded().await;
    sql(
        &database,
        "update users set cognito_user_id = 'sub-b' where handle = 'bayko'",
    )
    .await;
    sql(
        &database,
        "insert into users (display_name, handle, email, cognito_user_id)
         values ('', 'double', '', 'MOCK'), ('', 'it''s 100% 🌊', '', 'MOCK')",
    )
    .await;
    let pool = vec![
        pool_user(Some("andrewbrown"), "sub-a"),
        pool_user(Some("bayko"), "sub-b"),
        pool_user(Some("kosh"), "sub-k"),
        pool_user(None, "sub-n"),
        pool_user(Some("double"), "sub-1"),
        pool_user(Some("double"), "sub-2"),
        pool_user(Some("it's 100% 🌊"), "sub-i"),
        Account {
            sub: None,
            ..pool_user(Some("londo"), "")
        },
    ];
    let expected = [
        (Some("andrewbrown"), Outcome::Changed),
        (Some("bayko"), Outcome::Unchanged),
        (Some("double"), Outcome::Ambiguous),
        (Some("double"), Outcome::Ambiguous),
        (Some("it's 100% 🌊"), Outcome::Changed),
        (Some("kosh"), Outcome::NoSuchHandleHere),
        (Some("londo"), Outcome::NoIdThere),
        (None, Outcome::NoHandleThere),
    ];
    let ids = "select cognito_user_id from users order by handle";
    let before = sql(&database, ids).await;
    let dry = matched(&database, pool.clone()).await;
    assert_eq!(sql(&database, ids).await, before);
    let written = updated(&database, pool.clone()).await;
    assert_eq!(dry, *written);
    let found: Vec<_> = written
        .iter()
        .map(|m| (m.handle.as_deref(), m.outcome))
        .collect();
    assert_eq!(found, expected);
    assert_eq!(
        sql(&database, ids).await,
        ["sub-a", "sub-b", "MOCK", "sub-i", "MOCK"]
    );

    let again = updated(&database, pool).await;
    assert!(again.iter().all(|m| m.outcome != Outcome::Changed));
    let none = updated(&database, Vec::new()).await;
    assert!(none.iter().all(|m| m.outcome == Outcome::NoSuchHandleThere));
    assert_eq!(none.len(), 5);
}

#[tokio::test]
async fn an_id_that_others_changed_meanwhile_stays() {
    let database = seeded().await;
    let pool = ["andrewbrown", "bayko", "londo"].map(|handle| pool_user(Some(handle), handle));
    let matched = Arc::new(matched(&database, pool.to_vec()).await);
    let meanwhile = "update users set cognito_user_id = 'other' where handle = 'bayko';
        update users set cognito_user_id = 'londo' where handle = 'londo'";
    sql(&database, meanwhile).await;
    for _ in 0..2 {
        let error = database.set_cognito_ids(&matched).await.unwrap_err();
        let Error::Partial { not_done, .. } = error else {
            panic!("{error}");
        };
        assert_eq!(not_done, ["bayko"]);
        let ids = "select cognito_user_id from users order by handle";
        assert_eq!(sql(&database, ids).await, ["andrewbrown", "other", "londo"]);
    }
    let again = "update users set cognito_user_id = 'MOCK' where handle = 'bayko'";
    sql(&database, again).await;
    database.set_cognito_ids(&matched).await.unwrap();
}

/// The tables of many a Cruddur have no `not null`.
#[tokio::test]
async fn rows_that_lack_something_are_read_like_others() {
    let database = empty().await;
    sql(
        &database,
        "create table users (uuid uuid primary key default gen_random_uuid(),
           display_name text, handle text, cognito_user_id text, created_at timestamptz);
         insert into users (display_name, handle, created_at)
         values (null, 'bayko', null), ('No handle', null, 'infinity'),
                ('Londo', 'londo', '2023-03-24 09:45:01+01')",
    )
    .await;
    database.load_schema(Script::schema(), false).await.unwrap();
    let users = database.users(None).await.unwrap();
    let times = users
        .iter()
        .map(|user| user.created_at.map(|at| at.to_rfc3339()));
    let times: Vec<_> = times.collect();
    assert_eq!(
        times,
        [None, Some("2023-03-24T08:45:01+00:00".to_owned()), None]
    );
    assert_eq!(users[0].handle, "bayko");
    assert_eq!(
        (users[2].handle.as_str(), users[2].display_name.as_str()),
        ("", "No handle")
    );
    let bayko = database.person_by_handle("bayko").await.unwrap();
    assert_eq!(bayko.display_name, "");
    let who = |handle: &str| Who::Handle(handle.to_owned());
    let people = database
        .sender_and_receiver(&who("bayko"), &who("londo"))
        .await;
    assert_eq!(people.unwrap().0, bayko);

    let pool = vec![pool_user(Some("bayko"), "sub-b")];
    let written = updated(&database, pool).await;
    let found: Vec<_> = written
        .iter()
        .map(|m| (m.handle.as_deref(), m.outcome))
        .collect();
    assert_eq!(
        found,
        [
            (Some("bayko"), Outcome::Changed),
            (Some("londo"), Outcome::NoSuchHandleThere),
            (None, Outcome::NoSuchHandleThere),
        ]
    );
}

#[tokio::test]
async fn columns_of_another_type_are_read_where_they_can_be() {
    let database = empty().await;
    database.load_schema(Script::schema(), false).await.unwrap();
    database.load_seed(Script::seed(), false).await.unwrap();
    sql(
        &database,
        "alter table users alter uuid drop default, alter uuid type text,
           alter created_at type timestamptz;
         update users set created_at = '294000-01-01' where handle = 'bayko'",
    )
    .await;
    let users = database.users(None).await.unwrap();
    let undated: Vec<_> = users.iter().filter(|u| u.created_at.is_none()).collect();
    assert_eq!((users.len(), undated.len()), (3, 1));
    let bayko = database.person_by_handle("bayko").await.unwrap();
    assert_eq!(bayko.uuid, undated[0].uuid.to_string());
    for (uuid, said) in [
        ("'x'", "invalid input syntax for type uuid"),
        ("null", "the user \"bayko\" has no uuid"),
    ] {
        let change = format!(
            "alter table users drop constraint if exists users_pkey, alter uuid drop not null;
             update users set uuid = {uuid} where handle = 'bayko'"
        );
        sql(&database, &change).await;
        let error = database.person_by_handle("bayko").await.unwrap_err();
        assert!(error.to_string().contains(said), "{error}");
    }
}

#[tokio::test]
async fn ten_thousand_users_get_their_ids() {
    let database = seeded().await;
    sql(
        &database,
        "insert into users (display_name, handle, email, cognito_user_id)
         select '', 'user' || n, '', 'MOCK' from generate_series(1, 10000) as n",
    )
    .await;
    let pool: Vec<Account> = (1..=10_000)
        .map(|n| pool_user(Some(&format!("user{n}")), &format!("sub-{n}")))
        .collect();
    let changed = updated(&database, pool).await;
    let count = |outcome| changed.iter().filter(|m| m.outcome == outcome).count();
    assert_eq!(count(Outcome::Changed), 10_000);
    assert_eq!(count(Outcome::NoSuchHandleThere), 3);
    let wrong = "select count(*) from users
         where handle like 'user%' and cognito_user_id <> 'sub-' || substr(handle, 5)";
    assert_eq!(sql(&database, wrong).await, ["0"]);
}

#[tokio::test]
async fn ten_updates_at_once_all_end_well() {
    let database = seeded().await;
    sql(
        &database,
        "insert into users (display_name, handle, email, cognito_user_id)
         select '', 'user' || n, '', 'MOCK' from generate_series(1, 500) as n",
    )
    .await;
    let runs = (0..10).map(|run| {
        // Each in another order and with other ids, so that rows are locked crosswise.
        let mut pool: Vec<Account> = (1..=500)
            .map(|n| pool_user(Some(&format!("user{n}")), &format!("{run}-{n}")))
            .collect();
        pool.rotate_left(run * 50);
        let database = &database;
        async move {
            let matched = Arc::new(matched(database, pool).await);
            match database.set_cognito_ids(&matched).await {
                // Another run was faster.
                Ok(()) | Err(Error::Partial { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
    });
    future::join_all(runs).await;
    let left = "select handle from users where handle like 'user%' and cognito_user_id = 'MOCK'";
    assert_eq!(sql(&database, left).await, [""; 0]);
}
