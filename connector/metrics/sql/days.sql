-- Days of the calendar's zone, for families that deal in dates. Made in Python: zone_seconds.
--
-- Local days are numbered from 1970-01-01 on. Which day a date is (NULL for what is none), when a day begins, and on
-- which day an instant is: the one its UTC day's neighbourhood has that began last.
CREATE MACRO day_number(date_text) AS try_cast(date_text AS DATE) - DATE '1970-01-01';
CREATE MACRO day_start(day) AS (day::BIGINT * 86400 - zone_seconds(day)) * 1000000;
CREATE MACRO day_of(instant) AS instant // 86400000000 + CASE
    WHEN instant < day_start(instant // 86400000000) THEN -1
    WHEN instant >= day_start(instant // 86400000000 + 1) THEN 1
    ELSE 0 END;
