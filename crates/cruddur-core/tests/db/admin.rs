use std::sync::Arc;

use cruddur_core::Error;
use cruddur_core::db::script::Script;
use cruddur_core::db::{ConnectionUrl, Database};

use crate::postgres::{absent, empty, engines, raw, server, sql};

/// The same database for a role of few rights, which is named like it.
async fn as_ordinary_role(database: &Database) -> Database {
    let name = database.name();
    let create = format!("create role \"{name}\" login password 'secret'");
    sql(database, &create).await;
    let (scheme, rest) = engines().postgres.split_once("://").unwrap();
    let (_, host) = rest.rsplit_once('@').unwrap();
    let url = format!("{scheme}://{name}:secret@{host}");
    let url = ConnectionUrl::parse(&url, "the test's URL").unwrap();
    Database::new(url.with_database(&name))
}

async fn drop_role(database: &Database) {
    sql(database, &format!("drop role \"{}\"", database.name())).await;
}

#[tokio::test]
async fn a_database_of_any_name_is_created_and_dropped_once() {
    for prefix in [
        "plain",
        "it's \"quoted\"",
        "100%41",
        "🌊 \\ ",
        "Ünï/cødé;--",
    ] {
        let database = absent(prefix);
        assert!(!database.exists().await.unwrap());
        assert!(database.create().await.unwrap(), "{prefix}");
        assert!(!database.create().await.unwrap(), "{prefix}");
        assert_eq!(
            sql(&database, "select current_database()").await,
            [database.name()]
        );
        assert!(database.0.drop(false).await.unwrap(), "{prefix}");
        assert!(!database.0.drop(false).await.unwrap(), "{prefix}");
    }
}

#[tokio::test]
async fn ten_at_once_create_one_database_and_load_one_schema() {
    let database = absent("ten");
    let mut runs = Vec::new();
    for _ in 0..10 {
        let database = database.0.clone();
        runs.push(tokio::spawn(async move {
            let created = database.create().await.unwrap();
            let schema = database.load_schema(Script::schema(), false).await.unwrap();
            let seed = database.load_seed(Script::seed(), false).await.unwrap();
            (created, !schema.is_unchanged(), seed.rows)
        }));
    }
    let mut created = 0;
    let mut loaded = 0;
    let mut rows = 0;
    for run in runs {
        let run = run.await.unwrap();
        created += u32::from(run.0);
        loaded += u32::from(run.1);
        rows += run.2;
    }
    assert_eq!((created, loaded, rows), (1, 1, 4));
}

#[tokio::test]
async fn a_database_in_use_is_not_dropped_unless_forced() {
    let database = empty().await;
    let (client, driver) = raw(&database).await;
    client.simple_query("select 1").await.unwrap();
    let sessions = database.sessions(false).await.unwrap();
    assert_eq!(sessions.len(), 1);
    assert_eq!(sessions[0].application, "another program");
    // A dry run promises nothing else.
    let error = database.0.may_be_dropped(false).await.unwrap_err();
    assert!(matches!(error, Error::DatabaseInUse { .. }), "{error}");
    match database.0.drop(false).await.unwrap_err() {
        Error::DatabaseInUse {
            sessions: listed, ..
        } => {
            let pid = sessions[0].pid;
            let user = database.url().user().unwrap();
            let expected = format!("pid {pid}, user {user}, application another program");
            assert_eq!(listed, [expected]);
        }
        other => panic!("{other}"),
    }
    assert!(database.0.drop(true).await.unwrap());
    assert!(driver.await.unwrap().is_err());
}

#[tokio::test]
async fn the_servers_own_databases_stay() {
    for name in ["postgres", "template1"] {
        let database = Database::new(server().with_database(name)).for_production();
        let error = database.drop(true).await.unwrap_err();
        assert!(matches!(error, Error::Refused(_)), "{error}");
    }
}

#[tokio::test]
async fn what_is_marked_as_production_is_not_touched_without_asking_for_it() {
    let database = empty().await;
    let production = database.0.clone().for_production();
    production
        .load_schema(Script::schema(), false)
        .await
        .unwrap();
    // Whoever comes later does not change what it is.
    production
        .load_schema(Script::schema(), false)
        .await
        .unwrap();
    let refused = |error: Error| assert!(matches!(error, Error::Refused(_)), "{error}");
    refused(
        database
            .load_schema(Script::schema(), false)
            .await
            .unwrap_err(),
    );
    refused(database.load_seed(Script::seed(), false).await.unwrap_err());
    refused(database.set_cognito_ids(&Arc::default()).await.unwrap_err());
    refused(database.0.drop(true).await.unwrap_err());
    assert!(production.exists().await.unwrap());
    assert_eq!(production.contents().await.unwrap().users, Some(0));
    assert!(production.drop(false).await.unwrap());
}

#[tokio::test]
async fn contents_tell_missing_tables_from_empty_ones() {
    let database = empty().await;
    let contents = database.contents().await.unwrap();
    assert_eq!(contents.users, None);
    database.load_schema(Script::schema(), false).await.unwrap();
    database.load_seed(Script::seed(), false).await.unwrap();
    let contents = database.contents().await.unwrap();
    assert_eq!((contents.users, contents.activities), (Some(3), Some(1)));
}

#[tokio::test]
async fn a_role_of_few_rights_sees_that_others_are_connected() {
    let database = empty().await;
    let (client, driver) = raw(&database).await;
    client.simple_query("select 1").await.unwrap();
    let ordinary = as_ordinary_role(&database).await;
    for of_all in [false, true] {
        let sessions = ordinary.sessions(of_all).await.unwrap();
        let name = database.name();
        assert!(sessions.iter().any(|session| {
            session.database.as_deref() == Some(&name) && session.application == "another program"
        }));
        assert!(sessions.iter().all(|session| session.user.is_some()));
    }
    drop(client);
    driver.await.unwrap().unwrap();
    drop_role(&database).await;
}

#[tokio::test]
async fn a_role_that_is_let_into_its_own_database_only_finds_it() {
    let database = empty().await;
    let ordinary = as_ordinary_role(&database).await;
    let role = database.name();
    for other in ["postgres", "template1"] {
        // The role's sessions there end before they begin.
        let keep_out = format!(
            "alter role \"{role}\" in database {other} set session_preload_libraries to missing"
        );
        sql(&database, &keep_out).await;
        let other = Database::new(ordinary.url().with_database(other));
        assert!(other.exists().await.is_err());
    }
    assert!(ordinary.exists().await.unwrap());
    assert!(!ordinary.create().await.unwrap());
    ordinary.sessions(true).await.unwrap();
    drop_role(&database).await;
}

#[tokio::test]
async fn a_role_that_did_not_set_it_up_writes_to_a_database() {
    let database = empty().await;
    database.load_schema(Script::schema(), false).await.unwrap();
    database.load_seed(Script::seed(), false).await.unwrap();
    let ordinary = as_ordinary_role(&database).await;
    let role = database.name();
    let grant = format!("grant all on all tables in schema public to \"{role}\"");
    sql(&database, &grant).await;
    let seeded = ordinary.load_seed(Script::seed(), false).await.unwrap();
    assert!(seeded.is_unchanged());
    let take_back = format!("revoke all on all tables in schema public from \"{role}\"");
    sql(&database, &take_back).await;
    drop_role(&database).await;
}
