-- Which of the two tables, or of their columns, are not there.
with wanted ("table", "column") as (
  values
    ('public.users', 'uuid'),
    ('public.users', 'display_name'),
    ('public.users', 'handle'),
    ('public.users', 'email'),
    ('public.users', 'cognito_user_id'),
    ('public.users', 'created_at'),
    ('public.activities', 'uuid'),
    ('public.activities', 'user_uuid'),
    ('public.activities', 'message'),
    ('public.activities', 'replies_count'),
    ('public.activities', 'reposts_count'),
    ('public.activities', 'likes_count'),
    ('public.activities', 'reply_to_activity_uuid'),
    ('public.activities', 'expires_at'),
    ('public.activities', 'created_at')
)
select distinct
  case
    when to_regclass(wanted."table") is null then format('table %s', wanted."table")
    else format('column %s.%s', wanted."table", wanted."column")
  end as name
from wanted
where not exists (
  select from pg_attribute
  where attrelid = to_regclass(wanted."table")
    and attname = wanted."column"
    and attnum > 0
    and not attisdropped
)
order by name desc;
