"""Patches of a distribution become requests: what stays of what they say, and which of them count."""

from bench.localize.patches import is_source, message, read

DIFF = """--- a/shop/basket.py
+++ b/shop/basket.py
@@ -1 +1 @@
-    return price * 100
+    return price
"""
MAIL = """From 0123456789012345678901234567890123456789 Mon Sep 17 00:00:00 2001
From: Someone <someone@example.org>
Date: Tue, 1 Jan 2030 00:00:00 +0000
Subject: [PATCH 2/3] Basket: keep the discount below the price, whatever
 the customer asks

A discount of 100 made the price negative.

Signed-off-by: Someone <someone@example.org>
(cherry picked from commit 0123456789)
---
 shop/basket.py | 2 +-
 1 file changed, 1 insertion(+), 1 deletion(-)

"""
FIELDS = """Description: Basket: keep the discount below the price
 A discount of 100 made the price negative.
 .
 It was seen in version 3 first.
Origin: upstream, https://example.org/shop/commit/0123456789
Bug: https://example.org/shop/12
Last-Update: 2030-01-01
"""


def test_a_mail_says_its_title_and_its_text_and_nothing_of_who_sent_it() -> None:
    patch = read("discount.patch", MAIL + DIFF)
    assert patch is not None and patch.paths == ("shop/basket.py",)
    assert patch.request == (
        "Basket: keep the discount below the price, whatever the customer asks\n\n"
        "A discount of 100 made the price negative."
    )


def test_fields_of_a_patch_say_its_description_alone() -> None:
    assert message(FIELDS) == (
        "Basket: keep the discount below the price\n\n"
        "A discount of 100 made the price negative.\n\nIt was seen in version 3 first."
    )


def test_lists_of_changed_files_and_notes_of_who_carried_it_over_are_left_out() -> None:
    head = (
        FIELDS.split("Origin")[0]
        + "\n* shop/basket.py (price): divide.\n\n[Backported by me, shop/basket.py\ndiffers a little here]\n"
        "Conflicts:\n\tshop/basket.py\n shop/basket.py | 2 +-\n"
    )
    assert message(head) == message(FIELDS)


def test_what_was_not_taken_from_upstream_is_no_fix() -> None:
    assert read("p", FIELDS + "\n" + DIFF) is not None
    assert (
        read("p", FIELDS.replace("Origin: upstream", "Forwarded: not-needed\nOrigin: upstream") + "\n" + DIFF)
        is None
    )
    assert read("p", FIELDS.split("Origin")[0] + "\n" + DIFF) is None


def test_patches_about_tests_documents_and_packaging_are_no_fix() -> None:
    assert read("p", FIELDS.replace("keep the discount", "fix tests of the discount") + "\n" + DIFF) is None
    assert read("p", FIELDS + "\n" + DIFF.replace("shop/basket.py", "tests/test_basket.py")) is None


def test_new_files_are_no_truth() -> None:
    new = "--- /dev/null\n+++ b/shop/new.py\n@@ -0,0 +1 @@\n+x = 1\n"
    patch = read("p", FIELDS + "\n" + DIFF + new)
    assert patch is not None and patch.paths == ("shop/basket.py",)


def test_sources_are_the_projects_own_code() -> None:
    assert is_source("src/parse.c") and is_source("shop/basket.py")
    for path in (
        "tests/test_basket.py",
        "debian/rules.py",
        "setup.py",
        "docs/conf.py",
        "notes.txt",
        "spec/a_spec.rb",
    ):
        assert not is_source(path), path
