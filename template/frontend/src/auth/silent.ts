/** The page inside the hidden iframe: hands the provider's answer, which is in its URL, to the page around it. */
import { UserManager } from "oidc-client-ts";

const manager = new UserManager({
  authority: "",
  client_id: "",
  redirect_uri: "",
  automaticSilentRenew: false,
});

if (window.parent !== window) void manager.signinSilentCallback();
