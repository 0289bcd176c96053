// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the outside world sends, update by update; the names are those of the failure catalogue.

use serde_json::{Value, json};

use super::*;

fn me() -> Me {
    Me { id: 42, username: "blufio_bot".to_string() }
}

fn read_text(update: &str) -> Meaning {
    let raw = RawValue::from_string(update.to_string()).unwrap();
    let id = update_id(&raw).unwrap();
    read(&raw, id, &me())
}

/// A private text message of a person, with fields changed: `null` removes.
fn message(changes: Value) -> Meaning {
    let mut message = json!({
        "message_id": 5, "date": 1_700_000_000, "text": "hello",
        "from": {"id": 7, "is_bot": false, "first_name": "Ada"},
        "chat": {"id": 7, "type": "private", "first_name": "Ada"}
    });
    for (key, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(message.as_object_mut().unwrap().remove(key)),
            value => message[key] = value.clone(),
        }
    }
    read_text(&json!({"update_id": 1, "message": message}).to_string())
}

#[track_caller]
fn taken(meaning: Meaning) -> Inbound {
    match meaning {
        Meaning::Taken(mut told) if told.len() == 1 => told.remove(0),
        other => panic!("not a message: {other:?}"),
    }
}

#[track_caller]
fn is_ignored(meaning: Meaning) {
    assert!(matches!(meaning, Meaning::Ignored(_)), "{meaning:?}");
}

#[track_caller]
fn is_poison(meaning: Meaning) {
    assert!(matches!(meaning, Meaning::Poison(_)), "{meaning:?}");
}

#[test]
fn a_private_text_message() {
    let inbound = taken(message(json!({})));
    let expected = Inbound {
        kind: InboundKind::Message,
        source_id: "update:1".into(),
        address: Address { channel: "telegram".into(), chat: "7".into(), thread: None },
        chat: ChatKind::Private,
        sender: Sender { id: "7".into(), name: "Ada".into() },
        text: "hello".into(),
        own_words: true,
        quoted: None,
        quoted_id: None,
        message_id: Some("5".into()),
        sent_ms: 1_700_000_000_000,
        attachments: vec![],
    };
    assert_eq!(inbound, expected);
}

#[test]
fn t11_edited_messages_are_told_as_such() {
    let edited = json!({"message_id": 5, "date": 1, "edit_date": 2, "text": "/x@blufio_bot", "chat": {"id": 7, "type": "private"},
        "from": {"id": 7, "first_name": "Ada"}});
    for part in ["edited_message", "edited_channel_post"] {
        let edit = taken(read_text(&json!({"update_id": 9, part: edited}).to_string()));
        assert_eq!((edit.kind, edit.source_id.as_str()), (InboundKind::Edited, "update:9"));
        assert_eq!((edit.message_id.as_deref(), edit.text.as_str()), (Some("5"), "/x"));
        assert!(edit.own_words);
    }
    // A place that moves is edited every few seconds.
    let moving = json!({"message_id": 5, "date": 1, "chat": {"id": 7, "type": "private"}, "location": {"latitude": 1.0}});
    is_ignored(read_text(&json!({"update_id": 1, "edited_message": moving}).to_string()));
    is_poison(read_text(&json!({"update_id": 1, "edited_message": {"anything": []}}).to_string()));
}

#[test]
fn t14_threads_are_kept_in_forums_only() {
    let group = json!({"id": -100, "type": "supergroup", "title": "Team", "is_forum": true});
    let topic = taken(message(json!({"chat": group, "message_thread_id": 9, "is_topic_message": true})));
    assert_eq!((topic.address.thread.as_deref(), topic.chat), (Some("9"), ChatKind::Group("Team".into())));
    assert_eq!(taken(message(json!({"chat": group, "message_thread_id": 9}))).address.thread, None);
}

#[test]
fn t17_unknown_kinds_fields_and_wide_ids() {
    is_ignored(read_text(r#"{"update_id":1,"from_the_future":{"x":1}}"#));
    let wide = 9_007_199_254_740_993_i64;
    let inbound = taken(message(json!({
        "from": {"id": wide, "is_bot": false, "first_name": "W", "new_field": [1, {"a": null}]},
        "chat": {"id": -wide, "type": "constellation", "title": "T"}, "unheard_of": "field", "message_id": wide
    })));
    assert_eq!(
        (inbound.sender.id.as_str(), inbound.address.chat.as_str()),
        ("9007199254740993", "-9007199254740993")
    );
    assert_eq!(inbound.chat, ChatKind::Group("T".into()));
    // Nothing in a field that nobody reads can hurt.
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    is_ignored(read_text(&format!(r#"{{"update_id":1,"new":{deep}}}"#)));
}

#[test]
fn t18_an_update_of_the_wrong_shape_is_poison() {
    for poison in [
        r#"{"update_id":1,"message":"text"}"#,
        r#"{"update_id":1,"message":{"message_id":"x","chat":{"id":7,"type":"private"}}}"#,
        r#"{"update_id":1,"message":{"message_id":1,"text":{},"chat":{"id":7,"type":"private"}}}"#,
        r#"{"update_id":1,"message":{"message_id":1,"text":"x","from":{"id":1e30},"chat":{"id":7,"type":"private"}}}"#,
    ] {
        is_poison(read_text(poison));
    }
    for nameless in [
        r#""x""#,
        "[]",
        "{}",
        r#"{"update_id":"1"}"#,
        r#"{"update_id":-1}"#,
        r#"{"update_id":9223372036854775807}"#,
        r#"{"update_id":1.5}"#,
    ] {
        assert_eq!(update_id(&RawValue::from_string(nameless.into()).unwrap()), None, "{nameless}");
    }
}

#[test]
fn t20_nobody_is_mistaken_for_a_person() {
    let group = json!({"id": -100, "type": "supergroup", "title": "Team"});
    let anonymous_bot = json!({"id": 1_087_968_824, "is_bot": true, "first_name": "Group"});
    let channel = json!({"id": -200, "type": "channel", "title": "News"});
    let telegram = json!({"id": 777_000, "is_bot": false, "first_name": "Telegram"});
    for nobody in [
        json!({"chat": group, "from": anonymous_bot, "sender_chat": group}),
        json!({"chat": group, "from": {"id": 7, "first_name": "Ada"}, "sender_chat": channel}),
        json!({"chat": group, "from": telegram, "sender_chat": channel, "is_automatic_forward": true}),
        json!({"via_bot": {"id": 8, "is_bot": true, "first_name": "gif"}}),
        json!({"from": null}),
        json!({"from": {"id": 0, "first_name": "zero"}}),
        json!({"from": {"id": -7, "first_name": "minus"}}),
    ] {
        assert_eq!(taken(message(nobody.clone())).sender.id, "", "{nobody}");
    }
    let post = json!({"update_id": 1, "channel_post": {"message_id": 1, "date": 1, "text": "news", "chat": channel, "sender_chat": channel}});
    let post = taken(read_text(&post.to_string()));
    assert_eq!((post.sender.id.as_str(), post.chat), ("", ChatKind::Group("News".into())));
    assert!(!taken(message(json!({"via_bot": {"id": 8}}))).own_words);
}

#[test]
fn t21_only_the_number_identifies() {
    let spoof = json!({"id": 8, "is_bot": false, "first_name": "Ada", "last_name": "\u{202E}7\u{0}", "username": "owner"});
    let inbound = taken(message(json!({"from": spoof})));
    assert_eq!((inbound.sender.id.as_str(), inbound.sender.name.as_str()), ("8", "Ada \u{FFFD}7␀"));
}

#[test]
fn t26_t37_insane_dates_are_accepted() {
    let sent = |date: &str| {
        let text = format!(
            r#"{{"update_id":1,"message":{{"message_id":5,"date":{date},"text":"x","from":{{"id":7}},"chat":{{"id":7,"type":"private"}}}}}}"#
        );
        taken(read_text(&text)).sent_ms
    };
    assert_eq!((sent("0"), sent("-5"), sent("4102444800")), (0, -5_000, 4_102_444_800_000));
    assert_eq!((sent("9223372036854775808"), sent("9223372036854775807")), (i64::MAX, i64::MAX));
    assert_eq!((sent("\"soon\""), sent("null"), sent("1e300")), (0, 0, 0));
}

#[test]
fn t30_own_and_other_bots_messages_are_ignored() {
    is_ignored(message(json!({"from": {"id": 42, "is_bot": true, "first_name": "Blufio"}})));
    is_ignored(message(json!({"from": {"id": 42, "is_bot": false, "first_name": "Blufio"}})));
    is_ignored(message(json!({"from": {"id": 43, "is_bot": true, "first_name": "Other"}})));
}

#[test]
fn t33_an_update_with_no_known_field() {
    is_ignored(read_text(r#"{"update_id":1}"#));
    is_ignored(read_text(r#"{"update_id":1,"message":null}"#));
}

#[test]
fn t34_messages_with_parts_missing() {
    is_ignored(message(json!({"text": null})));
    is_ignored(message(json!({"text": "  \n"})));
    is_poison(message(json!({"chat": null})));
    is_poison(message(json!({"message_id": null})));
    assert_eq!(
        taken(message(json!({"from": null}))).sender,
        Sender { id: String::new(), name: String::new() }
    );
    assert_eq!(taken(message(json!({"date": null}))).sent_ms, 0);
}

#[test]
fn t35_nul_and_lone_surrogates_are_harmless() {
    assert_eq!(taken(message(json!({"text": "\u{0}".repeat(4096)}))).text, "␀".repeat(4096));
    assert_eq!(
        taken(message(json!({"text": "a\u{1B}[2J\r\nb\u{7F}\u{9B}\tc"}))).text,
        "a␛[2J\nb␡\u{FFFD}\tc"
    );
    let update = r#"{"update_id":1,"message":{"message_id":5,"date":1,"text":"a\ud800b","from":{"id":7,"first_name":"\udc00"},"chat":{"id":7,"type":"private"}}}"#;
    let inbound = taken(read_text(update));
    assert_eq!((inbound.text.as_str(), inbound.sender.name.as_str()), ("a\u{FFFD}b", "\u{FFFD}"));
    let long = taken(message(json!({"text": "ä".repeat(20_000)}))).text;
    assert_eq!((long.chars().count(), long.ends_with(CUT_MARK)), (TEXT_CHARACTERS_MAX, true));
}

#[test]
fn t38_strange_chat_ids() {
    is_poison(message(json!({"chat": {"id": 0, "type": "private"}})));
    let positive = taken(message(json!({"chat": {"id": 12, "type": "group", "title": "G"}})));
    assert_eq!((positive.address.chat.as_str(), positive.chat), ("12", ChatKind::Group("G".into())));
    assert_eq!(
        taken(message(json!({"chat": {"id": -12, "type": "group"}}))).chat,
        ChatKind::Group(String::new())
    );
}

#[test]
fn t39_commands_and_whom_they_address() {
    let text = |text: &str| taken(message(json!({"text": text}))).text;
    assert_eq!(text("/start@Blufio_Bot ABC"), "/start ABC");
    assert_eq!(text("/start"), "/start");
    assert_eq!(text("/help@blufio_bot"), "/help");
    assert_eq!(text("mail me@otherbot"), "mail me@otherbot");
    assert_eq!(text("/x@y.z is a path"), "/x@y.z is a path");
    is_ignored(message(json!({"text": "/start@otherbot"})));
    is_ignored(message(json!({"text": null, "caption": "/start@otherbot now", "photo": []})));
    assert_eq!(
        taken(message(json!({"text": null, "caption": "/scan@blufio_bot", "video": {}}))).text,
        "/scan"
    );
    let forwarded = taken(message(json!({"text": "/start@otherbot", "forward_origin": {"type": "user"}})));
    assert_eq!((forwarded.text.as_str(), forwarded.own_words), ("/start@otherbot", false));
}

#[test]
fn t43_what_is_no_text_is_ignored_politely() {
    for kind in ["contact", "location", "poll", "dice", "story", "successful_payment", "voice", "sticker"] {
        is_ignored(message(json!({"text": null, kind: {"x": 1}})));
    }
    for kind in [
        "callback_query",
        "message_reaction_count",
        "poll",
        "business_message",
        "my_chat_member",
        "pre_checkout_query",
    ] {
        is_ignored(read_text(
            &json!({"update_id": 1, kind: {"id": "1", "message": {"text": "x"}}}).to_string(),
        ));
    }
}

#[test]
fn t47_the_owner_in_a_foreign_group_is_no_private_chat() {
    let inbound = taken(message(json!({"chat": {"id": -55, "type": "group", "title": "Foreign"}})));
    assert_eq!((inbound.chat, inbound.sender.id.as_str()), (ChatKind::Group("Foreign".into()), "7"));
}

#[test]
fn t48_forwarded_words_are_not_the_senders_own() {
    let origin = json!({"type": "hidden_user", "sender_user_name": "Mallory", "date": 1});
    for forwarded in
        [json!({"forward_origin": origin}), json!({"forward_date": 1}), json!({"is_automatic_forward": true})]
    {
        let inbound = taken(message(forwarded));
        assert_eq!((inbound.own_words, inbound.sender.id.as_str()), (false, "7"));
    }
}

#[test]
fn t49_quoted_words_stand_apart() {
    let attack = json!({"message_id": 3, "date": 1, "chat": {"id": 7, "type": "private"}, "from": {"id": 66, "first_name": "M"}, "text": "obey\u{0}"});
    let inbound = taken(message(json!({"reply_to_message": attack})));
    assert_eq!(
        (inbound.text.as_str(), inbound.quoted.as_deref(), inbound.own_words),
        ("hello", Some("obey␀"), true)
    );
    let part = taken(message(json!({"reply_to_message": attack, "quote": {"text": "part", "position": 0}})));
    assert_eq!((part.quoted.as_deref(), part.quoted_id.as_deref()), (Some("part"), Some("3")));
    let caption = taken(message(json!({"reply_to_message": {"caption": "picture"}})));
    assert_eq!(caption.quoted.as_deref(), Some("picture"));
    assert_eq!(
        taken(message(json!({"reply_to_message": {"forum_topic_created": {"name": "x"}}}))).quoted,
        None
    );
}

fn reacted(user: Value, old: Value, new: Value) -> Meaning {
    let mut update = json!({"chat": {"id": -100, "type": "supergroup", "title": "Team"}, "message_id": 31, "date": 1_700_000_000,
        "old_reaction": old, "new_reaction": new});
    for (key, value) in user.as_object().unwrap() {
        update[key] = value.clone();
    }
    read_text(&json!({"update_id": 8, "message_reaction": update}).to_string())
}

#[test]
fn t46_a_reaction_is_its_senders_and_says_what_was_added() {
    let (up, heart) = (json!({"type": "emoji", "emoji": "👍"}), json!({"type": "emoji", "emoji": "❤"}));
    let ada = json!({"user": {"id": 7, "is_bot": false, "first_name": "Ada"}});
    let told = taken(reacted(ada.clone(), json!([up]), json!([up, heart])));
    assert_eq!((told.kind, told.text.as_str(), told.own_words), (InboundKind::Reaction, "❤", true));
    assert_eq!((told.sender.id.as_str(), told.chat), ("7", ChatKind::Group("Team".into())));
    assert_eq!((told.quoted_id.as_deref(), told.message_id, told.quoted), (Some("31"), None, None));
    is_ignored(reacted(ada.clone(), json!([up, heart]), json!([up])));
    is_ignored(reacted(ada.clone(), json!([]), json!([{"type": "from the future"}])));
    is_ignored(reacted(json!({"user": {"id": 8, "is_bot": true}}), json!([]), json!([up])));
    let bought = json!([{"type": "custom_emoji", "custom_emoji_id": "53\u{0}"}, {"type": "paid"}]);
    assert_eq!(taken(reacted(ada, json!([]), bought)).text, ":53␀: ⭐");
    let anonymous = json!({"actor_chat": {"id": -100, "type": "supergroup", "title": "Team"}});
    let told = taken(reacted(anonymous, json!([]), json!([up])));
    assert_eq!((told.sender.id.as_str(), told.sender.name.as_str()), ("", "Team"));
}

#[test]
fn who_comes_and_goes_is_told_once_and_by_name_only() {
    let group = json!({"id": -100, "type": "supergroup", "title": "Team"});
    let (ben, eve) = (json!({"id": 21, "first_name": "Ben"}), json!({"id": 22, "first_name": "E\u{202E}ve"}));
    let service =
        json!({"chat": group, "text": null, "new_chat_members": [ben, eve, {"id": 42, "is_bot": true}]});
    let Meaning::Taken(told) = message(service) else { panic!("two came") };
    let seen: Vec<_> = told
        .iter()
        .map(|one| {
            (one.kind, one.source_id.as_str(), one.sender.id.as_str(), one.text.as_str(), one.own_words)
        })
        .collect();
    let (first, second) = ("joined:-100:21:1700000000", "joined:-100:22:1700000000");
    assert_eq!(
        seen,
        [
            (InboundKind::Joined, first, "7", "Ben", false),
            (InboundKind::Joined, second, "7", "E\u{FFFD}ve", false)
        ]
    );
    let change = |old: Value, new: Value| {
        let mut change = json!({"chat": group, "from": {"id": 7, "first_name": "Ada"}, "date": 1_700_000_000,
            "old_chat_member": old, "new_chat_member": new});
        change["old_chat_member"]["user"] = ben.clone();
        change["new_chat_member"]["user"] = ben.clone();
        read_text(&json!({"update_id": 9, "chat_member": change}).to_string())
    };
    let status = |status: &str| json!({"status": status});
    let joined = taken(change(status("left"), status("member")));
    assert_eq!((joined.source_id.as_str(), joined.sender.id.as_str()), (first, "7"), "the same event");
    let gone = json!({"chat": group, "text": null, "left_chat_member": ben});
    let (left, kicked) = (taken(message(gone)), taken(change(status("administrator"), status("kicked"))));
    assert_eq!((left.kind, left.text.as_str()), (InboundKind::Left, "Ben"));
    assert_eq!(left.source_id, kicked.source_id);
    is_ignored(change(status("member"), status("administrator")));
    is_ignored(change(json!({"status": "restricted", "is_member": true}), status("member")));
    is_ignored(message(json!({"chat": group, "text": null, "left_chat_member": {"id": 42, "is_bot": true}})));
    is_ignored(message(json!({"text": null, "new_chat_members": []})));
    // A clock that stands at nothing tells no two events apart.
    let timeless = taken(message(json!({"chat": group, "text": null, "date": 0, "left_chat_member": ben})));
    assert_eq!(timeless.source_id, "update:1:21");
}

#[test]
fn photos_come_in_the_largest_size_that_fits() {
    let size = |id: &str, side: i64, bytes: Option<u64>| json!({"file_id": id, "file_unique_id": id, "width": side, "height": side, "file_size": bytes});
    let sizes = json!([
        size("small", 90, Some(900)),
        size("large", 1280, Some(200_000)),
        size("huge", 9000, Some(PHOTO_BYTES_MAX + 1))
    ]);
    let inbound = taken(message(json!({"text": null, "photo": sizes})));
    let photo = Attachment {
        media_type: "image/jpeg".into(),
        handle: "large".into(),
        bytes: Some(200_000),
        name: None,
    };
    assert_eq!((inbound.text.as_str(), inbound.attachments), ("", vec![photo]));
    is_ignored(message(json!({"text": null, "photo": [size("huge", 9000, Some(PHOTO_BYTES_MAX + 1))]})));
}

#[test]
fn files_are_named_and_t44_never_believed() {
    let document = json!({"file_id": "d", "file_name": "bill\u{202E}.pdf", "mime_type": "application/pdf", "file_size": 12_000});
    let inbound = taken(message(json!({"text": null, "caption": "see", "document": document})));
    let [bill] = &inbound.attachments[..] else { panic!("{inbound:?}") };
    assert_eq!(
        (inbound.text.as_str(), bill.media_type.as_str(), bill.bytes),
        ("see", "application/pdf", Some(12_000))
    );
    assert_eq!(bill.name.as_deref(), Some("bill\u{FFFD}.pdf"));
    let voice = json!({"file_id": "v", "duration": 36_000, "mime_type": "x\ny"});
    let inbound = taken(message(json!({"text": null, "voice": voice})));
    let [voice] = &inbound.attachments[..] else { panic!("{inbound:?}") };
    assert_eq!((voice.media_type.as_str(), voice.name.as_deref()), ("audio/ogg", Some("voice message")));
}
