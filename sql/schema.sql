-- The tables of users and activities.
--
-- Creates what is missing and drops nothing, so it can be loaded again at any
-- time. Needs PostgreSQL 13 (gen_random_uuid without an extension).
--
-- Times are `timestamp` in UTC. The defaults say so themselves, since the
-- server's time zone, or a session's, may be another.

create table if not exists public.users (
  uuid uuid primary key default gen_random_uuid(),
  display_name text not null,
  handle text not null unique,
  email text not null,
  cognito_user_id text not null,
  created_at timestamp not null default (now() at time zone 'utc')
);

-- What tables of older versions lack. Even `if not exists` locks the table
-- first, which holds up whoever uses it, so nothing is altered without need.
do $$ begin
  if not exists (
    select from pg_attribute
    where attrelid = 'public.users'::regclass and attname = 'email' and not attisdropped
  ) then
    alter table public.users add column if not exists email text not null default '';
  end if;
end $$;
do $$ begin
  if to_regclass('public.users_handle_key') is null then
    create unique index if not exists users_handle_key on public.users (handle);
  end if;
end $$;

create table if not exists public.activities (
  uuid uuid primary key default gen_random_uuid(),
  user_uuid uuid not null,
  message text not null,
  replies_count integer default 0,
  reposts_count integer default 0,
  likes_count integer default 0,
  reply_to_activity_uuid uuid,
  expires_at timestamp,
  created_at timestamp not null default (now() at time zone 'utc')
);
