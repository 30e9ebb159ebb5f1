"""Access control: every URL of the site, and its answer to each kind of user. Read by tests/auravideo/test_access.py.

The test fails for a URL that is in the URL configuration but not here, and vice versa.

    owner      owns the job, video etc. that the URL names
    stranger   another signed-in user
    staff      may open the admin, but has no permission there
    moderator  may moderate, and has no other permission
    admin      a superuser

    200, 404 … the status        in    redirected to sign in  to    redirected elsewhere (302)
    open, shut                   whether a WebSocket is accepted

All of them have just authenticated, so nobody is asked to confirm it.

A `*` in an admin URL's name stands for any of our models.
"""

ACCESS = """
address                                 method  anonymous  owner  stranger  staff  moderator  admin

home                                    GET     200        to     to        to     to         to
help                                    GET     200        200    200       200    200        200
set_language                            POST    to         to     to        to     to         to
manifest                                GET     200        200    200       200    200        200
service-worker                          GET     200        200    200       200    200        200
favicon                                 GET     to         to     to        to     to         to
robots-txt                              GET     200        200    200       200    200        200
security-txt                            GET     404        404    404       404    404        404
healthz                                 GET     200        200    200       200    200        200
healthz-live                            GET     200        200    200       200    200        200
ws/jobs/                                WS      shut       open   open      open   open       open

generation:create                       GET     in         200    200       200    200        200
generation:create                       POST    in         200    200       200    200        200
generation:jobs                         GET     in         200    200       200    200        200
generation:job                          GET     in         200    404       404    404        404
generation:preview                      GET     in         to     404       404    404        404
generation:cancel                       GET     in         405    405       405    405        405
generation:cancel                       POST    in         to     404       404    404        404
generation:retry                        GET     in         405    405       405    405        405
generation:retry                        POST    in         to     404       404    404        404
generation:repair                       GET     in         405    405       405    405        405
generation:repair                       POST    in         to     404       404    404        404
generation:cancel-waiting               GET     in         405    405       405    405        405
generation:cancel-waiting               POST    in         to     to        to     to         to
generation:queue-pause                  GET     in         405    405       405    405        405
generation:queue-pause                  POST    in         to     to        to     to         to
generation:queue-resume                 GET     in         405    405       405    405        405
generation:queue-resume                 POST    in         to     to        to     to         to
generation:queue-move                   GET     in         405    405       405    405        405
generation:queue-move                   POST    in         400    404       404    404        404
generation:remove-ended                 GET     in         405    405       405    405        405
generation:remove-ended                 POST    in         400    400       400    400        400
generation:updates                      GET     in         200    200       200    200        200
generation:seen                         GET     in         405    405       405    405        405
generation:seen                         POST    in         to     to        to     to         to
generation:remove                       GET     in         405    405       405    405        405
generation:remove                       POST    in         to     404       404    404        404

generation:create-edit                  GET     in         to     to        to     to         to
generation:create-edit                  POST    in         200    200       200    200        200
generation:create-summary               GET     in         405    405       405    405        405
generation:create-summary               POST    in         200    200       200    200        200
generation:create-from-file             GET     in         405    405       405    405        405
generation:create-from-file             POST    in         200    200       200    200        200
generation:create-save-preset           GET     in         405    405       405    405        405
generation:create-save-preset           POST    in         200    200       200    200        200
generation:create-sweep                 GET     in         405    405       405    405        405
generation:create-sweep                 POST    in         200    200       200    200        200
generation:create-again                 GET     in         405    405       405    405        405
generation:create-again                 POST    in         to     404       404    404        404
generation:create-many                  GET     in         200    200       200    200        200
generation:create-many                  POST    in         200    200       200    200        200
generation:presets                      GET     in         200    200       200    200        200
generation:preset-rename                GET     in         405    405       405    405        405
generation:preset-rename                POST    in         200    404       404    404        404
generation:preset-delete                GET     in         405    405       405    405        405
generation:preset-delete                POST    in         to     404       404    404        404
generation:allowance                    GET     in         200    200       200    200        200
generation:batches                      GET     in         200    200       200    200        200
generation:batch                        GET     in         200    404       404    404        404
generation:batch-progress               GET     in         200    404       404    404        404
generation:batch-cancel                 GET     in         405    405       405    405        405
generation:batch-cancel                 POST    in         to     404       404    404        404
generation:batch-download               GET     in         200    404       404    404        404

gallery:library                         GET     in         200    200       200    200        200
gallery:selected                        GET     in         405    405       405    405        405
gallery:selected                        POST    in         to     to        to     to         to
gallery:compare                         GET     in         200    200       200    200        200
gallery:keep                            GET     in         405    405       405    405        405
gallery:keep                            POST    in         to     to        to     to         to
gallery:more-like-this                  GET     in         405    405       405    405        405
gallery:more-like-this                  POST    in         to     404       404    404        404
gallery:undo                            GET     in         405    405       405    405        405
gallery:undo                            POST    in         to     to        to     to         to
gallery:trash                           GET     in         200    200       200    200        200
gallery:trash-picture                   GET     in         200    404       404    404        404
gallery:empty-trash                     GET     in         405    405       405    405        405
gallery:empty-trash                     POST    in         to     to        to     to         to
gallery:collections                     GET     in         200    200       200    200        200
gallery:collections                     POST    in         200    200       200    200        200
gallery:collect                         GET     in         405    405       405    405        405
gallery:collect                         POST    in         200    200       200    200        200
gallery:collection                      GET     in         200    404       404    404        404
gallery:collection-rename               GET     in         405    405       405    405        405
gallery:collection-rename               POST    in         200    404       404    404        404
gallery:collection-delete               GET     in         405    405       405    405        405
gallery:collection-delete               POST    in         to     404       404    404        404
gallery:next                            GET     in         to     404       404    404        404
gallery:previous                        GET     in         to     404       404    404        404
gallery:rename                          GET     in         200    404       404    404        404
gallery:rename                          POST    in         200    404       404    404        404
gallery:favourite                       GET     in         405    405       405    405        405
gallery:favourite                       POST    in         to     404       404    404        404
gallery:restore                         GET     in         405    405       405    405        405
gallery:restore                         POST    in         to     404       404    404        404
gallery:purge                           GET     in         405    405       405    405        405
gallery:purge                           POST    in         to     404       404    404        404
gallery:settings                        GET     in         200    404       404    404        404
gallery:video                           GET     404        200    404       404    404        404
gallery:file                            GET     404        200    404       404    404        404
gallery:download                        GET     404        200    404       404    404        404
gallery:poster                          GET     404        200    404       404    404        404
gallery:preview                         GET     404        200    404       404    404        404
gallery:cover                           GET     404        200    404       404    404        404
gallery:thumbnail                       GET     404        200    404       404    404        404
gallery:explore                         GET     200        200    200       200    200        200
gallery:profile                         GET     200        200    200       200    200        200
gallery:visibility                      GET     in         405    405       405    405        405
gallery:visibility                      POST    in         400    404       404    404        404
gallery:share-check                     GET     in         to     404       404    404        404
gallery:revoke                          GET     in         405    405       405    405        405
gallery:revoke                          POST    in         to     404       404    404        404
gallery:tags                            GET     in         405    405       405    405        405
gallery:tags                            POST    in         to     404       404    404        404
gallery:like                            GET     405        405    405       405    405        405
gallery:like                            POST    404        404    404       404    404        404
gallery:shared                          GET     200        200    200       200    200        200
gallery:shared-file                     GET     200        200    200       200    200        200
gallery:shared-download                 GET     200        200    200       200    200        200
gallery:shared-poster                   GET     200        200    200       200    200        200
gallery:shared-preview                  GET     200        200    200       200    200        200
gallery:shared-cover                    GET     200        200    200       200    200        200
gallery:shared-thumbnail                GET     200        200    200       200    200        200
gallery:shared-like                     GET     405        405    405       405    405        405
gallery:shared-like                     POST    in         400    400       400    400        400
gallery:shared-embed                    GET     200        200    200       200    200        200
gallery:embed                           GET     200        200    200       200    200        200
gallery:oembed                          GET     404        404    404       404    404        404
gallery:delete                          GET     in         405    405       405    405        405
gallery:delete                          POST    in         to     404       404    404        404

gallery:report                          GET     200        404    200       200    200        200
gallery:report                          POST    200        404    200       200    200        200
gallery:report-shared                   GET     200        404    200       200    200        200
gallery:report-shared                   POST    200        404    200       200    200        200
gallery:report-sent                     GET     200        200    200       200    200        200
gallery:notices                         GET     in         200    200       200    200        200

accounts:profile                        GET     in         200    200       200    200        200
accounts:theme                          GET     in         405    405       405    405        405
accounts:theme                          POST    in         204    204       204    204        204
accounts:push-on                        GET     in         405    405       405    405        405
accounts:push-on                        POST    in         400    400       400    400        400
accounts:push-off                       GET     in         405    405       405    405        405
accounts:push-off                       POST    in         400    400       400    400        400
accounts:security                       GET     in         200    200       200    200        200
accounts:end-session                    GET     in         405    405       405    405        405
accounts:end-session                    POST    in         to     404       404    404        404
usersessions_list                       GET     to         to     to        to     to         to
accounts:end-sessions                   GET     in         405    405       405    405        405
accounts:end-sessions                   POST    in         to     to        to     to         to
accounts:download                       GET     in         405    405       405    405        405
accounts:download                       POST    in         200    200       200    200        200
accounts:data                           GET     in         200    200       200    200        200
accounts:deactivate                     GET     in         200    200       200    200        200
accounts:delete                         GET     in         200    200       200    200        200
accounts:reactivate                     GET     in         in     in        in     in         in
accounts:suspended                      GET     in         in     in        in     in         in
accounts:waiting                        GET     in         in     in        in     in         in
accounts:join                           GET     404        to     to        to     to         to

mfa_index                               GET     in         200    200       200    200        200
mfa_activate_totp                       GET     in         200    200       200    200        200
mfa_deactivate_totp                     GET     in         404    404       404    404        404
mfa_view_recovery_codes                 GET     in         404    404       404    404        404
mfa_generate_recovery_codes             GET     in         200    200       200    200        200
mfa_download_recovery_codes             GET     in         404    404       404    404        404
mfa_list_webauthn                       GET     in         200    200       200    200        200
mfa_add_webauthn                        GET     in         200    200       200    200        200
mfa_remove_webauthn                     GET     in         200    404       404    404        404
mfa_edit_webauthn                       GET     in         200    404       404    404        404
mfa_reauthenticate                      GET     in         to     to        to     to         to
mfa_reauthenticate_webauthn             GET     in         200    to        to     to         to
mfa_authenticate                        GET     in         to     to        to     to         to
mfa_login_webauthn                      GET     in         to     to        to     to         to

account_login                           GET     200        to     to        to     to         to
account_signup                          GET     200        to     to        to     to         to
account_logout                          GET     to         200    200       200    200        200
account_logout                          POST    to         to     to        to     to         to
account_inactive                        GET     200        200    200       200    200        200
account_reauthenticate                  GET     in         200    200       200    200        200
account_email                           GET     in         200    200       200    200        200
account_email_verification_sent         GET     200        200    200       200    200        200
account_confirm_email                   GET     200        200    200       200    200        200
account_change_password                 GET     in         200    200       200    200        200
account_set_password                    GET     in         to     to        to     to         to
account_reset_password                  GET     200        200    200       200    200        200
account_reset_password_done             GET     200        200    200       200    200        200
account_reset_password_from_key         GET     200        200    200       200    200        200
account_reset_password_from_key_done    GET     200        200    200       200    200        200
account_confirm_login_code              GET     in         to     to        to     to         to

admin:index                             GET     in         in     in        200    200        200
admin:login                             GET     in         403    403       to     to         to
admin:logout                            POST    to         to     to        200    200        200
admin:password_change                   GET     in         in     in        to     to         to
admin:password_change_done              GET     in         in     in        200    200        200
admin:autocomplete                      GET     in         in     in        403    403        403
admin:jsi18n                            GET     in         in     in        200    200        200
admin:view_on_site                      GET     in         in     in        404    404        404
admin:app_list                          GET     in         in     in        404    200        200
admin:auth_user_password_change         GET     in         in     in        403    403        200
admin:*_changelist                      GET     in         in     in        403    403        200
admin:*_add                             GET     in         in     in        403    403        200
admin:*_history                         GET     in         in     in        403    403        200
admin:*_delete                          GET     in         in     in        403    403        200
admin:*_change                          GET     in         in     in        403    403        200
admin:generation_job_add                GET     in         in     in        403    403        403
admin:generation_batch_add              GET     in         in     in        403    403        403
admin:generation_worker_add             GET     in         in     in        403    403        403
admin:generation_worker_pause           GET     in         in     in        405    405        405
admin:generation_worker_pause           POST    in         in     in        403    403        to
admin:generation_worker_resume          GET     in         in     in        405    405        405
admin:generation_worker_resume          POST    in         in     in        403    403        to
admin:generation_worker_delete          GET     in         in     in        403    403        403
admin:gallery_video_add                 GET     in         in     in        403    403        403
admin:gallery_video_delete              GET     in         in     in        403    403        403
admin:gallery_report_add                GET     in         in     in        403    403        403
admin:gallery_report_delete             GET     in         in     in        403    403        403
admin:gallery_safetyrule_add            GET     in         in     in        403    403        403
admin:gallery_safetyrule_delete         GET     in         in     in        403    403        403
admin:gallery_moderationaction_add      GET     in         in     in        403    403        403
admin:gallery_moderationaction_delete   GET     in         in     in        403    403        403
admin:accounts_joiningrules_changelist  GET     in         in     in        403    403        to
admin:accounts_joiningrules_add         GET     in         in     in        403    403        403
admin:accounts_joiningrules_delete      GET     in         in     in        403    403        403
admin:accounts_securityevent_add        GET     in         in     in        403    403        403
admin:accounts_securityevent_delete     GET     in         in     in        403    403        403
admin:admin_logentry_add                GET     in         in     in        403    403        403
admin:admin_logentry_delete             GET     in         in     in        403    403        403
admin:accounts_user_changelist          GET     in         in     in        403    200        200
admin:accounts_user_history             GET     in         in     in        403    200        200
admin:accounts_user_change              GET     in         in     in        403    200        200
admin:gallery_report_changelist         GET     in         in     in        403    200        200
admin:gallery_report_history            GET     in         in     in        403    200        200
admin:gallery_report_change             GET     in         in     in        403    200        200
admin:gallery_video_changelist          GET     in         in     in        403    200        200
admin:gallery_video_history             GET     in         in     in        403    200        200
admin:gallery_video_change              GET     in         in     in        403    200        200
admin:gallery_moderationaction_changelist GET    in         in     in        403    200        200
admin:gallery_moderationaction_history  GET     in         in     in        403    200        200
admin:gallery_moderationaction_change   GET     in         in     in        403    200        200
admin:generation_blockedterm_changelist GET     in         in     in        403    200        200
admin:generation_blockedterm_add        GET     in         in     in        403    200        200
admin:generation_blockedterm_history    GET     in         in     in        403    200        200
admin:generation_blockedterm_delete     GET     in         in     in        403    200        200
admin:generation_blockedterm_change     GET     in         in     in        403    200        200
admin-overview                          GET     in         in     in        403    200        200
admin-inbox                             GET     in         in     in        403    403        200
admin-inbox-approve                     POST    in         in     in        403    403        to
admin-inbox-withdraw                    POST    in         in     in        403    403        to
admin:mfa_authenticator_add             GET     in         in     in        403    403        403
/admin/*/<path:object_id>/              GET     in         in     in        to     to         to
/admin/<url>                            GET     in         in     in        404    404        404
"""
