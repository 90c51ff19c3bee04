// Who a reader says to be, and what a gateway's refusal means to them. Pure: no DOM, no network.

// What a header may hold.
const PRINTABLE = /^[\x21-\x7e]{1,8192}$/;
const UNKNOWN = "This gateway serves only those whom it knows. Sign in with the key and secret, or the token, that you were given.";
const NEXT = Object.freeze({ key: "Sign in with another one.", token: "Sign in with a new one." });

/** What was typed: `{credentials}`, or `{fault, field}` where it can't be any. */
export function parse({ way, key, secret, token }) {
  const wanted = way === "token" ? { token } : { key, secret };
  for (const [field, text] of Object.entries(wanted)) {
    const value = text.trim();
    if (value === "") return { fault: `The ${field} is missing.`, field };
    if (!PRINTABLE.test(value)) return { fault: `The ${field} holds a space or a character that none has.`, field };
    wanted[field] = value;
  }
  return { credentials: wanted };
}

/** "key", "token", or "" for who presented nothing. */
export function kindOf(credentials) {
  if (credentials === null) return "";
  return credentials.token === undefined ? "key" : "token";
}

export function authCommand(credentials) {
  return { action: "auth", ...credentials };
}

export function restHeaders(credentials) {
  if (credentials === null) return {};
  if (credentials.token !== undefined) return { Authorization: `Bearer ${credentials.token}` };
  return { "APCA-API-KEY-ID": credentials.key, "APCA-API-SECRET-KEY": credentials.secret };
}

/** Whether this end of a connection is about who its reader is. `error` is the protocol's error before the close. */
export function aboutAccess({ name, code }) {
  return name === "locked" || (name === "stopped" && [4005, 4501, 4503, 4506].includes(code));
}

/** Whether the same credentials may be good later, or for another feed. */
export function stillGood({ code, error }) {
  return code === 4506 || (code === 4503 && error === 409);
}

/** Why a reader was refused or sent away, in words. `held` is what they had presented. */
export function reason({ code, error }, held, feed) {
  if (held === "" || code === 401) return UNKNOWN;
  if (code === 4501 && error === 404) return "Signing in took too long. Try again.";
  if (code === 4501 && held === "key") return "The gateway does not accept this key and secret. Check that both are whole.";
  if (code === 4501) return "The gateway does not accept this token. It may have ended, or be meant for another service.";
  if (code === 4503 && error === 409) return `This ${held} does not include the feed ${feed}. Choose another feed, or sign in with another ${held}.`;
  if (code === 4503) return `This ${held} is no longer good: it was withdrawn or replaced, or has ended. ${NEXT[held]}`;
  if (code === 4506) return `All connections that this ${held} may have are in use. End one elsewhere, then press “Reconnect now”.`;
  return `This ${held} has ended. ${NEXT[held]}`;
}
