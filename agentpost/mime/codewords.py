"""The words by which mail of many languages says that it brings a code, or what a link is for.

Each line is a language or a script; words are beginnings where the language inflects them.  All are
compared without case and, in the Latin script, from the beginning of a word on.
"""

# ruff: noqa: RUF001

from __future__ import annotations

import re
from typing import Final

_LATIN: Final = re.compile(r"[a-z0-9À-ɏͰ-ԯ]")


def pattern(*lines: str) -> re.Pattern[str]:
    """One expression that finds any of the phrases, which commas part.

    A phrase in a script that parts its words matches at the beginning of a word only.
    """
    apart: list[str] = []
    anywhere: list[str] = []
    for written in ",".join(lines).split(","):
        phrase = written.strip().casefold()
        spaced = re.escape(phrase).replace(r"\ ", r"[\s\-\u00a0]{1,3}")
        (apart if _LATIN.match(phrase) else anywhere).append(spaced)
    choices = [rf"(?<![^\W_])(?:{'|'.join(sorted(apart, key=len, reverse=True))})"]
    if anywhere:
        choices.append("|".join(sorted(anywhere, key=len, reverse=True)))
    return re.compile("|".join(choices))


STRONG: Final = pattern(
    # English
    "verification code, verification number, verify code, confirmation code, security code",
    "login code, log in code, log-in code, sign in code, sign-in code, signin code, access code",
    "authentication code, authorization code, auth code, one time code, one time password",
    "one time pin, one time passcode, one time security, otp, passcode, temporary code",
    "temporary password, single use code, two factor code, two step, 2fa, activation code",
    "validation code, your code, this code, following code, the code below, enter the code, enter code",
    "pin code, your pin, magic code, verification pin, recovery code, approval code",
    # German
    "bestätigungscode, verifizierungscode, verifikationscode, sicherheitscode, einmalcode",
    "einmalkennwort, einmalpasswort, anmeldecode, zugangscode, zugriffscode, freischaltcode",
    "aktivierungscode, prüfcode, ihr code, dein code, folgenden code, mobiletan, tan, login-code",
    "authentifizierungscode, bestätigungsnummer",
    # French
    "code de vérification, code de verification, code de confirmation, code de sécurité",
    "code d'accès, code d’accès, code de connexion, code à usage unique, code d'authentification",
    "code d’authentification, mot de passe à usage unique, votre code, ton code, code d'activation",
    "code suivant, code temporaire, code de validation",
    # Spanish
    "código de verificación, codigo de verificacion, código de confirmación, código de seguridad",
    "código de acceso, código de un solo uso, código de inicio, contraseña de un solo uso",
    "clave dinámica, clave temporal, tu código, su código, código de autenticación, siguiente código",
    # Portuguese
    "código de verificação, codigo de verificacao, código de confirmação, código de segurança",
    "código de acesso, senha de uso único, seu código, código de autenticação, código de uso único",
    "teu código, código temporário",
    # Italian
    "codice di verifica, codice di conferma, codice di sicurezza, codice di accesso, codice otp",
    "codice monouso, password monouso, il tuo codice, il suo codice, codice temporaneo",
    "codice di autenticazione, seguente codice",
    # Dutch
    "verificatiecode, bevestigingscode, beveiligingscode, inlogcode, toegangscode, eenmalige code",
    "eenmalig wachtwoord, je code, uw code, activatiecode, eenmalige inlogcode",
    # Swedish, Norwegian, Danish, Finnish
    "verifieringskod, bekräftelsekod, säkerhetskod, engångskod, engångslösenord, din kod",
    "inloggningskod, bekreftelseskode, sikkerhetskode, engangskode, engangspassord, din kode",
    "bekræftelseskode, engangsadgangskode, verifikationskode, innloggingskode, loginkode",
    "vahvistuskoodi, turvakoodi, kertakäyttökoodi, kertakäyttöinen, koodisi, kirjautumiskoodi",
    # Polish, Czech, Slovak, Hungarian, Romanian, Croatian
    "kod weryfikacyjny, kod potwierdzający, kod bezpieczeństwa, kod jednorazowy, hasło jednorazowe",
    "twój kod, kod logowania, kod dostępu, kod autoryzacyjny",
    "ověřovací kód, potvrzovací kód, bezpečnostní kód, jednorázový kód, váš kód, přihlašovací kód",
    "overovací kód, jednorazový kód, ellenőrző kód, megerősítő kód, biztonsági kód, egyszer használatos",
    "hitelesítő kód, cod de verificare, codul de verificare, codul tău, cod de confirmare",
    "codul de confirmare, cod unic, kontrolni kod, verifikacijski kod, kod za potvrdu, vaš kod",
    # Turkish, Indonesian, Vietnamese
    "doğrulama kodu, onay kodu, güvenlik kodu, tek kullanımlık, giriş kodu, kodunuz, doğrulama kodunuz",
    "kode verifikasi, kode otp, kode keamanan, kode konfirmasi, kode anda, kata sandi sekali pakai",
    "mã xác minh, mã xác nhận, mã xác thực, mã otp, mật khẩu một lần, mã bảo mật",
    # Russian, Ukrainian, Bulgarian, Greek
    "код подтверждения, код проверки, код безопасности, одноразовый код, одноразовый пароль",
    "ваш код, твой код, код доступа, код для входа, проверочный код, код авторизации",
    "код підтвердження, код перевірки, одноразовий код, одноразовий пароль, код безпеки",
    "код за потвърждение, код за сигурност, еднократен код",
    "κωδικός επαλήθευσης, κωδικό επαλήθευσης, κωδικός επιβεβαίωσης, κωδικός μίας χρήσης",
    "κωδικός ασφαλείας, ο κωδικός σας, κωδικός σύνδεσης",
    # Chinese, Japanese, Korean
    "验证码, 驗證碼, 校验码, 校驗碼, 动态码, 动态密码, 動態密碼, 一次性密码, 一次性密碼, 确认码",
    "確認碼, 安全码, 安全碼, 登录码, 授权码, 激活码, 认证码, 認證碼",
    "認証コード, 確認コード, ワンタイム, セキュリティコード, 認証番号, 確認番号, パスコード, 検証コード",
    "ログインコード, 暗証番号",
    "인증번호, 인증 번호, 인증코드, 인증 코드, 확인 코드, 확인코드, 보안 코드, 보안코드, 일회용, 로그인 코드",
    # Arabic, Hebrew, Persian, Hindi, Thai
    "رمز التحقق, رمز التأكيد, رمز الأمان, كود التحقق, كلمة مرور لمرة واحدة, رمز الدخول, رمزك",
    "קוד אימות, קוד האימות, קוד אבטחה, קוד חד פעמי, קוד חד-פעמי, הקוד שלך, קוד הכניסה",
    "کد تایید, کد تأیید, رمز یکبار, رمز پویا",
    "सत्यापन कोड, ओटीपी, सुरक्षा कोड, पुष्टिकरण कोड, वन टाइम",
    "รหัสยืนยัน, รหัส otp, รหัสผ่านครั้งเดียว, รหัสความปลอดภัย",
)
"""What comes with these words is a code and nothing else."""

WEAK: Final = pattern(
    "code, codes, pin, token, password, kode, kod, kód, koodi, codul, código, codigo, codice, cod",
    "clave, contraseña, senha, passwort, kennwort, mot de passe, wachtwoord, hasło, heslo, jelszó",
    "lösenord, passord, adgangskode, salasana, şifre, parola, kata sandi, mã",
    "код, пароль, κωδικός, κωδικό",
    "密码, 密碼, 代码, 代碼, コード, パスワード, 番号, 비밀번호, 코드, 번호",
    "رمز, كود, کد, קוד, סיסמה, कोड, รหัส",
)
"""With these it may be one."""

OTHER: Final = pattern(
    # What else has a code or a number.
    "promo, discount, coupon, voucher, gift, referral, invite code, zip, postal, postcode, post code",
    "area code, country code, error code, exit code, status code, http, dress code, source code",
    "bar code, barcode, qr code, sort code, swift, iban, bic, vat, tax, tracking, order, invoice",
    "receipt, reference, ref, case, ticket, booking, reservation, flight, customer, account number",
    "account ending, ending in, card ending, phone, tel, fax, suite, po box, p.o. box, room, extension",
    "copyright, version, build, issue, bug, page, article, item, sku, model, serial, isbn, section",
    "purchase, quantity, total, subtotal, amount, balance, price, coupon code, meeting id, member since",
    "gutschein, rabatt, plz, postleitzahl, bestell, rechnung, kundennummer, sendung, vorgang, telefon",
    "aktenzeichen, artikel, buchung, vertrag, code promo, code postal, commande, facture, suivi, tél",
    "réservation, référence, numéro de client, código promocional, código postal, pedido, factura",
    "cupón, cupom, reserva, seguimiento, nota fiscal, rastreio, cep, codice sconto, codice fiscale",
    "codice postale, ordine, fattura, prenotazione, kortingscode, postcode, bestelling, factuur",
    "rabattkod, postnummer, beställning, faktura, kampanjkode, tilaus, kod rabatowy, kod pocztowy",
    "zamówien, faktur, slevový, psč, objednáv, sipariş, posta kodu, indirim, kode pos, kode promo",
    "промокод, заказ, счет, счёт, индекс, трек, накладн, артикул, телефон",
    "优惠码, 邮编, 订单, 发票, 快递, 单号, 运单, 電話, 电话, 注文, 郵便番号, クーポン, 請求, 伝票",
    "주문, 우편번호, 쿠폰, 송장, 전화",
    "طلب, فاتورة, هاتف, הזמנה, חשבונית, טלפון, ऑर्डर",
)
"""A number next to these is another one."""

VERIFY: Final = pattern(
    "verif, confirm, activat, validat, authenticat, vérif, authentif, bestätig, aktivier, verifizier",
    "freischalt, confirmer, activer, valider, verificar, verifica, activar, ativar, attiva, conferma",
    "bevestig, activeer, valideer, potwierd, potwierdź, aktywuj, zweryfikuj, weryfik, ověř, potvrď, potvrz",
    "aktivuj, megerősít, aktivál, confirmă, activează, bekräfta, verifiera, aktivera, bekræft",
    "bekreft, aktiver, vahvista, aktivoi, doğrula, onayla, etkinleştir, verifikasi, konfirmasi, aktifkan",
    "xác minh, xác nhận, kích hoạt",
    "подтвер, активир, проверк, підтверд, активув, потвърд, επιβεβαι, επαλήθευ, ενεργοποι",
    "验证, 驗證, 确认, 確認, 激活, 认证, 認証, 有効化, 確定, 인증, 확인, 활성화",
    "تأكيد, تحقق, تفعيل, אימות, אשר, אישור, הפעל, सत्यापित, पुष्टि, ยืนยัน, تایید",
)
SIGN_IN: Final = pattern(
    "sign in, sign into, signin, log in, login, logging in, magic link, magic, one click, einlogg, anmeld",
    "se connecter, connexion, connectez, iniciar sesión, inicia sesión, inicio de sesión, entrar, acceder",
    "iniciar sessão, fazer login, accedi, accesso, accedere, inlog, aanmeld, zaloguj, logowan, přihlás",
    "bejelentkez, autentific, conectare, logga in, inloggning, log ind, logg inn, innlogg, kirjaudu",
    "giriş yap, oturum aç, masuk, đăng nhập",
    "войти, вход, войдите, увійти, вхід, σύνδεση, συνδεθ",
    "登录, 登入, 登錄, ログイン, サインイン, 로그인, تسجيل الدخول, התחבר, כניסה, लॉग इन, เข้าสู่ระบบ, ورود",
)
RESET: Final = pattern(
    "reset, password, forgot, recover, passwort, zurücksetz, kennwort, mot de passe, réinitialis",
    "contraseña, restablec, recuper, senha, redefin, reimposta, wachtwoord, hasło, hasła, resetuj",
    "heslo, obnov, jelszó, parola, parolă, lösenord, återställ, adgangskode, nulstil, passord",
    "tilbakestill, salasana, şifre, sıfırla, kata sandi, atur ulang, mật khẩu, đặt lại",
    "сброс, парол, восстанов, відновл, κωδικού, επαναφορά",
    "重置, 重設, 密码, 密碼, パスワード, 再設定, 비밀번호, 재설정, كلمة المرور, סיסמה, איפוס, पासवर्ड, รหัสผ่าน",
)
UNSUBSCRIBE: Final = pattern(
    "unsubscrib, opt out, optout, opt-out, email preferences, mail preferences, manage preferences",
    "subscription preferences, notification settings, manage your subscription, stop receiving",
    "abmeld, abbestell, austrag, newsletter abbestellen, désabonn, desabonn, désinscri, se désinscrire",
    "darse de baja, darte de baja, cancelar suscripción, cancelar la suscripción, anular suscripción",
    "cancelar inscrição, cancelar a inscrição, descadastr, cancelar subscrição, disiscri, annulla iscrizione",
    "cancella iscrizione, cancellati, uitschrijv, afmeld, wypisz, zrezygnuj, rezygnacj, odhlásit, odhlás",
    "leiratkoz, dezabon, avregistrera, avprenumerera, avsluta prenumeration, avslutt abonnement",
    "meld deg av, framelding, peruuta tilaus, poista tilaus, abonelikten, aboneliği iptal",
    "berhenti berlangganan, hủy đăng ký",
    "отписат, отказ от рассылки, отпис, відписат, διαγραφή, απεγγραφ",
    "退订, 退訂, 取消订阅, 取消訂閱, 配信停止, 購読解除, 登録解除, 수신거부, 수신 거부, 구독 취소",
    "إلغاء الاشتراك, להסרה, הסר, הסרה מרשימת, सदस्यता रद्द, ยกเลิกการสมัคร, لغو اشتراک",
)
