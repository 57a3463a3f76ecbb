Scalar.createApiReference("#reference", {
  url: "/openapi.yaml",
  authentication: {
    preferredSecurityScheme: "bearer",
    securitySchemes: { bearer: { token: "TOKEN" } },
  },
  defaultHttpClient: { targetKey: "shell", clientKey: "curl" },
  // Disables every feature that sends requests to other hosts, or links to them.
  agent: { disabled: true },
  mcp: { disabled: true },
  hideClientButton: true,
  showDeveloperTools: "never",
  telemetry: false,
  withDefaultFonts: false,
});
