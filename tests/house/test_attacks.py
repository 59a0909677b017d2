"""Which test plays which row of the collection of attacks, where the collection is beside us.

A row that nobody plays fails here, and so does a test that is named and is gone.
"""

from __future__ import annotations

import ast
import json
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
PLAYED: Final = {
    "smtp/test_attacks.py": {
        "test_smuggling": "S01.*",
        "test_answers": "S02.0[1-5] S04.0[1235] S05.01 S06.* S07.01 S07.07",
        "test_line_without_end": "S02.03",
        "test_commands_behind_data_are_data": "S02.06",
        "test_junk_has_an_end": "S04.04 S04.06",
        "test_too_many_recipients_keep_the_earlier_ones": "S07.06",
    },
    "smtp/test_server.py": {
        "test_a_stranger_has_thirty_seconds_for_a_command": "S08.01",
        "test_slow_data_is_cut": "S08.02",
    },
    "mail/test_identity.py": {
        "test_whatever_two_readers_could_understand_differently_is_refused": "S05.03",
        "test_another_s_address_is_refused": "S05.04",
        "test_the_owner_may_write": "S05.05",
        "test_a_header_section_is_bounded": "S07.04",
        "test_a_message_that_travels_in_circles_is_refused": "S07.05",
    },
    "test_net.py": {"test_a_handshake_that_never_ends_is_ended": "S03.02"},
    "imap/wire/test_attacks.py": {
        "test_literals": "I01.0[1235-9] I01.1[0-5] I01.2[0-2]",
        "test_nesting": "I02.*",
        "test_sets": "I03.*",
        "test_list_patterns": "I04.*",
        "test_names": "I05.*",
        "test_long_lines_and_lists": "I06.0[56] I08.05",
    },
    "imap/test_attacks.py": {
        "test_i01_24_an_empty_message_is_refused": "I01.24",
        "test_i06_no_header_octet_ends_an_answer_early": "I06.0[3489]",
        "test_i07_01_compression_is_unknown": "I07.01",
        "test_i08_04_there_is_no_starttls": "I08.04",
    },
    "imap/test_server.py": {
        "test_a_literal_that_stalls_ends_the_connection_and_frees_its_memory": "I01.23",
        "test_a_client_that_does_not_read_makes_little_wait_for_it": "I06.07",
        "test_failed_logins_take_the_same_time_and_three_end_the_connection": "I08.01",
        "test_a_flood_of_commands_is_slowed_down_and_starves_nobody": "I08.02",
        "test_only_done_ends_idle": "I08.03",
    },
    "mail/test_logins.py": {"test_guesses_over_both_protocols_count_together": "I08.01"},
    "isolation/test_mail_logins.py": {
        "test_another_organization_s_inbox_is_like_none": "I08.06",
        "test_another_environment_s_inbox_is_like_none": "I08.06",
        "test_a_key_needs_the_protocol_s_scope": "I08.06",
        "test_a_revoked_credential_is_like_none_at_once": "I08.06",
        "test_expiry_is_told_to_the_holder_alone": "I08.06",
        "test_a_deleted_inbox_is_like_none": "I08.06",
    },
    "http/resources/test_attacks.py": {
        "test_r01_02_a_received_subject_becomes_no_field": "R01.02",
        "test_r01_03_no_name_or_value_of_a_field_makes_another": "R01.03",
        "test_r02_01_another_s_object_and_none_are_told_in_the_same_octets": "R02.01",
        "test_r02_01_the_time_of_a_refusal_tells_nothing": "R02.01",
        "test_r02_03_a_hundred_side_by_side_send_once": "R02.03",
        "test_r02_03_a_hundred_side_by_side_make_one_inbox": "R02.03",
        "test_r02_04_hostile_json_is_the_caller_s_mistake": "R02.04",
        "test_r02_04_numbers_beyond_measure_are_refused": "R02.04",
        "test_r02_05_what_is_no_id_of_that_kind_is_not_found": "R02.05",
        "test_r02_06_nobody_says_of_itself_where_it_comes_from": "R02.06",
        "test_r03_no_door_takes_a_url_that_leads_inside": "R03.*",
        "test_r06_01_a_token_nobody_issued_is_no_key": "R06.01",
        "test_r06_05_a_key_is_known_by_all_its_characters": "R06.05",
        "test_r07_02_a_file_is_never_shown": "R07.02",
    },
    "isolation/test_matrix.py": {
        "test_no_key_and_a_wrong_key_open_nothing": "R02.01",
        "test_revoked_and_expired_keys_open_nothing": "R02.01",
        "test_every_route_needs_its_scope": "R02.01",
        "test_another_s_and_none_at_all_read_alike": "R02.01",
        "test_a_key_of_another_environment_learns_nothing": "R02.01",
    },
    "http/test_wire.py": {
        "test_smuggling_is_refused": "R02.07",
        "test_broken_chunks_are_refused": "R02.07",
    },
    "http/test_connection.py": {"test_http2_is_not_spoken": "R02.07"},
    "net/test_egress.py": {
        "test_what_the_attacks_write_into_urls_is_refused": "R03.*",
        "test_redirects_are_answers": "R03.2[23]",
        "test_closed_doors_look_alike": "R03.*",
        "test_a_long_body_is_read_to_a_bound": "R04.01",
        "test_what_is_no_answer": "R04.01",
        "test_all_of_it_has_one_deadline": "R04.01",
    },
    "jobs/test_webhook.py": {
        "test_names_are_checked_at_each_delivery": "R03.21 R03.28 R03.29 R03.34",
        "test_a_redirect_is_a_failure": "R03.22 R03.23",
        "test_gone_disables_and_is_told": "R04.01",
        "test_retry_after_is_obeyed": "R04.01",
        "test_receivers_that_hang_delay_nobody_else": "R04.01",
        "test_after_a_rotation_both_secrets_are_good_for_a_day": "R04.02",
    },
    "client/test_signatures.py": {"test_what_is_not_ours_is_refused": "R04.02"},
    "mail/test_notifications.py": {
        "test_a_certificate_from_elsewhere_is_refused_without_a_fetch": "R05.01",
        "test_ten_at_once_store_one_message": "R05.03",
        "test_old_and_future_notifications_are_refused_without_a_fetch": "R05.03",
        "test_what_cannot_be_used_is_not_asked_for_again": "R05.04",
    },
    "auth/test_sns.py": {
        "test_certificates_lie_at_amazon_only": "R05.01",
        "test_a_signature_is_good_for_its_version_and_type_only": "R05.03",
    },
    "http/resources/test_attachments.py": {
        "test_a_link_opens_one_thing_for_a_while": "R07.03",
        "test_a_link_to_what_is_gone_finds_nothing": "R07.03",
        "test_no_link_is_written_into_the_log": "R07.03",
    },
    "mime/test_viewing.py": {"test_the_attack_of_the_list": "R08.01"},
    "http/mcp/test_journey.py": {
        "test_r08_mail_stands_between_marks_that_its_writer_cannot_know": "R08.01",
        "test_r08_01_what_people_do_not_see_a_model_is_not_told": "R08.01",
    },
    "mail/test_relay_simulator.py": {"test_machines_do_not_answer_machines": "L01.01"},
    "mime/test_summary.py": {"test_what_machines_sent": "L01.01"},
    "mail/test_policy.py": {"test_two_programs_that_answer_each_other_are_stopped": "L01.02"},
    "mail/test_feedback.py": {"test_ten_thousand_bounces_are_one": "L01.03"},
    "jobs/test_report.py": {
        "test_many_refusals_of_one_recipient_are_told_once_and_send_nothing": "L01.03"
    },
    "test_log.py": {"test_what_a_peer_says_is_cut_and_commands_no_terminal": "G01.02"},
}
"""Rows, as patterns, by the test that plays them."""
UNPLAYED: Final = {
    "R06.02": "people do not sign in: there are keys and mail credentials only",
    "R06.03": "people do not sign in: there are keys and mail credentials only",
    "R07.01": "no page of this server shows the HTML of mail",
}
"""Rows about what does not exist."""

_PATTERNS: Final = [
    pattern
    for tests in PLAYED.values()
    for patterns in tests.values()
    for pattern in patterns.split()
]


def test_the_tests_that_are_named_exist() -> None:
    for name, tests in PLAYED.items():
        tree = ast.parse((ROOT / "tests" / name).read_text("utf-8"))
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
        there = {node.name for node in ast.walk(tree) if isinstance(node, kinds)}
        assert tests.keys() <= there, name


def test_every_row_is_played(corpus: Path) -> None:
    lines = (corpus / "attacks" / "attacks.jsonl").read_text("utf-8").splitlines()
    rows = {json.loads(line)["id"] for line in lines}
    played = {row for row in rows for pattern in _PATTERNS if fnmatchcase(row, pattern)}
    assert rows - played == UNPLAYED.keys()
    idle = [each for each in _PATTERNS if not any(fnmatchcase(row, each) for row in rows)]
    assert idle == []
