-- Databases and roles of the suite on a PostgreSQL 15 or later of your own. Run it once as a superuser:
--
--   psql -v scheduler_owner_password=… -v scheduler_app_password=… \
--        -v dosing_log_owner_password=… -v dosing_log_app_password=… \
--        -v notifications_owner_password=… -v notifications_app_password=… -f deploy/postgres/roles.sql
--
-- For each service: a database, an owner that runs the migrations (`kat migrate`), and a restricted role that the
-- service runs as. The restricted role owns nothing, cannot bypass row-level security, and gets its table grants,
-- append-only ones among them, from the migrations.

\set ON_ERROR_STOP on

create role kat_scheduler_owner login nosuperuser nocreatedb nocreaterole nobypassrls password :'scheduler_owner_password';
create role kat_scheduler_app login nosuperuser nocreatedb nocreaterole nobypassrls password :'scheduler_app_password';
create database kat_scheduler owner kat_scheduler_owner template template0 encoding 'UTF8';
revoke all on database kat_scheduler from public;
grant connect on database kat_scheduler to kat_scheduler_app;

create role kat_dosing_log_owner login nosuperuser nocreatedb nocreaterole nobypassrls password :'dosing_log_owner_password';
create role kat_dosing_log_app login nosuperuser nocreatedb nocreaterole nobypassrls password :'dosing_log_app_password';
create database kat_dosing_log owner kat_dosing_log_owner template template0 encoding 'UTF8';
revoke all on database kat_dosing_log from public;
grant connect on database kat_dosing_log to kat_dosing_log_app;

create role kat_notifications_owner login nosuperuser nocreatedb nocreaterole nobypassrls password :'notifications_owner_password';
create role kat_notifications_app login nosuperuser nocreatedb nocreaterole nobypassrls password :'notifications_app_password';
create database kat_notifications owner kat_notifications_owner template template0 encoding 'UTF8';
revoke all on database kat_notifications from public;
grant connect on database kat_notifications to kat_notifications_app;

\connect kat_scheduler
alter schema public owner to kat_scheduler_owner;
revoke all on schema public from public;
grant usage on schema public to kat_scheduler_app;

\connect kat_dosing_log
alter schema public owner to kat_dosing_log_owner;
revoke all on schema public from public;
grant usage on schema public to kat_dosing_log_app;

\connect kat_notifications
alter schema public owner to kat_notifications_owner;
revoke all on schema public from public;
grant usage on schema public to kat_notifications_app;
