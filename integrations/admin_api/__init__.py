"""Administration by API: the admin's rows as JSON documents, written through the admin's own forms and permissions.

resources       the kinds of rows and their addresses    documents   rows to JSON, differences, ETags
form_data       JSON to the data of an admin form        apply       writing and deletion by the ModelAdmin
serializers     members and their types                  row_views   the addresses of rows
views           base of all views                        people      base of the views of one person
access_tokens   tokens and passwords of people           sign_ins    OAuth tokens and revocations
secret_views    base of their views                      token_rules forms and rules of Account Security
"""
