"""ServiceNow's script calls under their own names, so that scripts can be translated line by line.

    from integrations.servicenow import sn_auth, sn_cc, sn_fd

They act for the user of the current request or run, or for `user=`. Everything is done by `PersonalAuthAPI` and
`flows`. docs/from-servicenow.md compares them method by method.

    sn_cc   PersonalAuthAPI     sn_fd   FlowAPI     sn_auth   GlideOAuthClient
"""
