"""Mail with one-time codes in it, and mail with numbers that are none; written for these tests."""

from __future__ import annotations

from typing import Final

WITH_CODE: Final[tuple[tuple[str, str, str], ...]] = (
    # subject, text, code
    (
        "Your verification code",
        "Hi Ada,\n\nYour verification code is 482913.\n\nIt expires in 10 minutes.",
        "482913",
    ),
    (
        "Sign in to Example",
        "Enter this code to sign in:\n\n  739 204\n\nIf this was not you, ignore it.",
        "739204",
    ),
    (
        "123456 is your Example code",
        "Use it within 15 minutes. © 2024 Example Inc., 1600 Main Street, Suite 2200",
        "123456",
    ),
    (
        "Confirm your email",
        "Welcome!\n\n204816\n\nEnter the number above in the app to confirm your address.",
        "204816",
    ),
    ("G-592018 is your verification code", "Don't share it.", "G-592018"),
    (
        "Security alert",
        "OTP: 4821. Valid till 10:45 on 03/05/2024. Call +1 415 555 0132 for help.",
        "4821",
    ),
    ("Example login", "**Code:** `X7K9QP`\n\nRequested from 192.168.10.24 at 12:30:05", "X7K9QP"),
    (
        "Your one-time passcode",
        "One-time passcode\n\n8 3 0 1 7 7\n\nOrder 55120 is not affected.",
        "830177",
    ),
    ("Log in to Acme", "Copy and paste this temporary login code:\nAB12C-9XK4Z\n", "AB12C-9XK4Z"),
    ("Two-factor authentication", "Hello,\nYour 2FA token is: 00712384\nThanks", "00712384"),
    (
        "Bank",
        "Use 60418 as your PIN to approve the payment of $1,250.00 to ACME (ref 998877).",
        "60418",
    ),
    ("Verify", "verification code:583920,valid for 5 minutes", "583920"),
    ("Please verify your device", "Verification code: 917-264\nReference: 5566778", "917264"),
    (
        "Account recovery",
        "To reset your password, enter 771204 on the page you came from.\nTicket #4455667",
        "771204",
    ),
    ("Invitation", "Your access code is K4T9Q2. The event is on May 12, 2025 at 18:00.", "K4T9Q2"),
    (
        "Bestätigungscode",
        "Guten Tag,\n\nIhr Bestätigungscode lautet: 305 718\n\nGültig bis 14:30 Uhr.",
        "305718",
    ),
    (
        "Anmeldung bei Beispiel",
        "Bitte geben Sie folgenden Code ein:\n\n662190\n\nKundennummer 12345678",
        "662190",
    ),
    (
        "mobileTAN",
        "Ihre TAN für die Überweisung von 1.250,00 EUR auf DE89 3704 0044 0532 0130 00: 194027",
        "194027",
    ),
    (
        "Votre code",
        "Bonjour,\n\nVoici votre code de vérification : 840 276\n\nIl expire dans 10 minutes.",
        "840276",
    ),
    ("Connexion", "Votre code de connexion est le 5821. Commande n° 77123 en cours.", "5821"),
    (
        "Código de verificación",
        "Hola:\n\nTu código de verificación es 318 264.\n\nSi no lo pediste, ignóralo.",
        "318264",
    ),
    ("Acceso", "Introduce el siguiente código:\n\n729501\n\nPedido 10045", "729501"),
    ("Seu código", "Olá!\n\nSeu código de verificação é 640182. Não compartilhe.", "640182"),
    ("Il tuo codice", "Ciao,\n\nil tuo codice di verifica è: 217 903", "217903"),
    ("Bevestigingscode", "Je bevestigingscode is 558201. Deze is 10 minuten geldig.", "558201"),
    ("Inloggen", "Gebruik deze eenmalige code om in te loggen:\n\n90341\n", "90341"),
    ("Din kod", "Hej!\n\nDin verifieringskod är 410283.\n", "410283"),
    ("Engangskode", "Din engangskode er: 7730. Gyldig til kl. 10.45.", "7730"),
    ("Bekræftelseskode", "Din bekræftelseskode er 665019", "665019"),
    ("Vahvistuskoodi", "Vahvistuskoodisi on 820394.", "820394"),
    ("Kod weryfikacyjny", "Twój kod weryfikacyjny to 561 209. Zamówienie nr 33412.", "561209"),
    ("Ověřovací kód", "Váš ověřovací kód je: 480192", "480192"),
    ("Ellenőrző kód", "Az ellenőrző kód: 730185. 2024. 05. 03.", "730185"),
    ("Cod de verificare", "Codul tău de verificare este 905 113.", "905113"),
    ("Doğrulama kodu", "Doğrulama kodunuz: 384 017\n\nSipariş 9912345", "384017"),
    ("Kode verifikasi", "Kode verifikasi Anda adalah 601947.", "601947"),
    ("Mã xác minh", "Mã xác minh của bạn là 275806", "275806"),
    ("Код подтверждения", "Ваш код подтверждения: 490217. Никому его не сообщайте.", "490217"),
    ("Вход", "Для входа введите одноразовый пароль\n\n3308\n\nЗаказ 551203", "3308"),
    ("Код підтвердження", "Ваш код підтвердження — 128 740", "128740"),
    ("Κωδικός επαλήθευσης", "Ο κωδικός επαλήθευσης είναι 619 204.", "619204"),
    ("验证码", "您的验证码是783215，5分钟内有效。订单20240503001已发货。", "783215"),
    ("登入驗證碼", "您的驗證碼為：409 112", "409112"),
    ("認証コード", "認証コードは 554 820 です。\n2024年5月3日 10:17 に要求されました。", "554820"),
    ("確認コードのお知らせ", "確認コード：７７０４１２\n注文番号 1122334", "770412"),
    ("인증번호 안내", "인증번호는 936018입니다. 3분 안에 입력하세요.", "936018"),
    ("رمز التحقق", "رمز التحقق الخاص بك هو ٤٨٢٩١٣", "482913"),
    ("קוד אימות", "קוד האימות שלך הוא 720 184", "720184"),
    ("सत्यापन कोड", "आपका सत्यापन कोड ५०३९१२ है।", "503912"),
    ("รหัสยืนยัน", "รหัสยืนยันของคุณคือ 880142", "880142"),
    ("کد تایید", "کد تایید شما: ۶۱۲۰۴۸", "612048"),
    (
        "Example",
        "Hey,\n\nsomeone tried to log in. If it was you, enter\n\n*914 022*\n\nin the browser.",
        "914022",
    ),
    (
        "Your Example verification code is 350917",
        "Hello,\n\n350917\n\nExample, 500 Terry A Francois Blvd, San Francisco, CA 94158",
        "350917",
    ),
    (
        "Confirmation code",
        "Your confirmation code\n\n| 48201 |\n\nQuestions? Reply to case 00123456.",
        "48201",
    ),
    ("Passcode", "Your passcode: a8f3k2m9\n", "a8f3k2m9"),
)

WITHOUT_CODE: Final[tuple[tuple[str, str], ...]] = (
    (
        "Your order 483920 has shipped",
        "Order 483920\nTracking number 1Z999AA10123456784\nTotal: $1,249.00",
    ),
    (
        "Invoice 2024-0312",
        "Invoice no. 20240312\nCustomer number: 448812\nAmount due: 1 250.00 EUR by 12 May 2024",
    ),
    (
        "20% off this weekend",
        "Use promo code SAVE2024 at checkout. Valid until 05/31/2024. 1600 Main St, CA 94105",
    ),
    (
        "Meeting notes",
        "We met on 3 May 2024 at 10:30 in room 4021. 12345 people use the product in 2023 and 2024.",
    ),
    ("Your flight", "Booking reference: K4T9QX\nFlight LH4521 departs 07:35 from gate 1204"),
    ("Re: the budget", "I think 250000 is too much; 180000 would do. See page 1042 of the report."),
    ("Weekly report", "Visitors 48201\nSignups 1204\nRevenue 99120\n\n482013\n"),
    (
        "Ticket #5566778 updated",
        "Ticket 5566778 was closed. Rate us: https://example.com/r/123456?code=998877",
    ),
    ("Receipt", "Receipt 00918273\nCard ending in 4242\nAuthorised 120.00 GBP"),
    (
        "Your password was changed",
        "Your password was changed on 2024-05-03 at 10:17 from 203.0.113.7. Not you? Call +44 20 7946 0958.",
    ),
    (
        "Confirm your subscription",
        "Click https://example.com/confirm/8839201 to confirm. Example Ltd, London EC1A 1BB, Company 09876543",
    ),
    (
        "Bestellung 20418837",
        "Vielen Dank! Bestellnummer 20418837, Rechnung 774411, PLZ 10115 Berlin.",
    ),
    ("Gutschein", "Ihr Rabatt: 15 % mit dem Gutscheincode HERBST2024."),
    (
        "Commande expédiée",
        "Votre commande 5567123 est partie. Suivi 6A12345678901. Code postal 75011.",
    ),
    (
        "Pedido 9912345",
        "Su pedido 9912345 llegará el 3 de mayo de 2024. Código postal 28013. Cupón VERANO24.",
    ),
    ("订单已发货", "您的订单20240503已发货，快递单号 7788990。"),
    ("ご注文", "ご注文番号 1122334 を承りました。郵便番号 1000001"),
    ("주문 확인", "주문번호 20240503-1122 이 접수되었습니다."),
    ("Заказ 551203", "Ваш заказ 551203 отправлен. Промокод LETO2024. Телефон 84951234567."),
    (
        "Patch 12345",
        "commit 1234567 fixes bug 998877; error code 40401, build 20240503, see RFC 9051 and 5322.",
    ),
    ("hello", "123456"),
    ("", ""),
    ("Dinner?", "7 at 1900? I am at 4500 Oak Avenue until 1830."),
    ("Zoom", "Join the meeting: https://zoom.example/j/99887766554\nMeeting ID: 998 8776 6554"),
    (
        "Your statement",
        "Account number 12345678\nSort code 20-41-33\nBalance 10,482.11\nIBAN GB29 NWBK 6016 1331 9268 19",
    ),
    (
        "Job alert",
        "Senior engineer, 120000 to 150000 a year, job reference 445566. Apply with code in Rust or Go.",
    ),
    ("Membership", "Member since 2019. Your membership number is 7788123."),
    (
        "Log in to see your report",
        "Log in at https://example.com/login to read report 2024.\n\n© 2024 Example, 94105 San Francisco",
    ),
)
