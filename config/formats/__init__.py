"""Dates of the administration, in the form that the site's own pages have (`foundation.reader_time`)."""
