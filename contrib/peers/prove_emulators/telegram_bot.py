# SPDX-License-Identifier: MIT OR Apache-2.0
"""The emulated Bot API seen by PyPI `python-telegram-bot`."""
import asyncio
import sys
import time

import telegram
from driver import Emulators, holds
from telegram.error import BadRequest, Conflict, InvalidToken, RetryAfter

emulators = Emulators(sys.argv[1])
address = emulators.addresses
base = dict(base_url=address["telegram"] + "/bot", base_file_url=address["telegram"] + "/file/bot")


async def error_of(call):
    try:
        await call
        return None
    except telegram.error.TelegramError as found:
        return found


async def main():
    async with telegram.Bot(address["token"], **base) as bot:
        me = await bot.get_me()
        holds("python-telegram-bot: getMe", me.username == "blufio_test_bot" and me.is_bot)

        poll = asyncio.create_task(bot.get_updates(timeout=20, read_timeout=25))
        await asyncio.sleep(0.3)
        holds("python-telegram-bot: a poll waits", not poll.done())
        begun = time.monotonic()
        emulators.do("say", user=7, text="hello")
        updates = await poll
        holds("python-telegram-bot: and returns at once when a message comes", time.monotonic() - begun < 5 and updates[0].message.text == "hello")
        again = await bot.get_updates(timeout=0)
        holds("python-telegram-bot: without an offset it comes again", again[0].update_id == updates[0].update_id)
        rest = await bot.get_updates(offset=updates[0].update_id + 1, timeout=0)
        holds("python-telegram-bot: an offset confirms it", len(rest) == 0)

        first = asyncio.create_task(error_of(bot.get_updates(timeout=20, read_timeout=25)))
        await asyncio.sleep(0.3)
        async with telegram.Bot(address["token"], **base) as other:
            await other.get_updates(timeout=0)
        holds("python-telegram-bot: two pollers conflict", isinstance(await first, Conflict))

        emulators.do("limit", method="sendMessage", seconds=1)
        limited = await error_of(bot.send_message(7, "x"))
        seconds = getattr(limited, "retry_after", None)
        seconds = seconds.total_seconds() if hasattr(seconds, "total_seconds") else seconds
        holds("python-telegram-bot: 429 with its waiting time", isinstance(limited, RetryAfter) and seconds == 1)

        sent = await bot.send_message(7, "first 🫖")
        edited = await bot.edit_message_text("second", chat_id=7, message_id=sent.message_id)
        holds("python-telegram-bot: a message is sent and edited", sent.text == "first 🫖" and edited.text == "second")
        same = await error_of(bot.edit_message_text("second", chat_id=7, message_id=sent.message_id))
        holds("python-telegram-bot: message is not modified", isinstance(same, BadRequest) and "not modified" in str(same).lower())
        holds("python-telegram-bot: sendChatAction", await bot.send_chat_action(7, "typing"))
        await bot.send_message(7, "🫖" * 2048)
        long = await error_of(bot.send_message(7, "🫖" * 2049))
        holds("python-telegram-bot: 4,096 UTF-16 units and no more", isinstance(long, BadRequest) and "too long" in str(long).lower())

        emulators.do("file", id="f1", bytes="the bytes")
        file = await bot.get_file("f1")
        holds("python-telegram-bot: getFile and the download", bytes(await file.download_as_bytearray()) == b"the bytes")
        missing = await error_of(bot.get_file("nope"))
        holds("python-telegram-bot: a file that does not exist", isinstance(missing, BadRequest))

    wrong = await error_of(telegram.Bot("1:wrong", **base).get_me())
    holds("python-telegram-bot: a wrong token", isinstance(wrong, InvalidToken))
    holds("python-telegram-bot: the emulator understood every call", emulators.do("violations")["telegram"] == [])


asyncio.run(main())
emulators.stop()
