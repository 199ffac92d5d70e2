"""URL of the demo. Included only while KEYRACK_DEMO is set."""

from django.urls import path

from demo import views

app_name = "demo"
urlpatterns = [path("sign-in/<str:proof>/", views.sign_in, name="sign_in")]
