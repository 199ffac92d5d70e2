"""Model Context Protocol: what a person may do through Keyrack, as tools for the agents of that person.

    messages     JSON-RPC messages, and the revisions of the protocol
    handshakes   what a client of an earlier revision said about itself, in its session id
    exchanges    one request, with whom it acts for; progress and cancellation
    echoed_tokens    tokens that a third party repeats, in any usual form
    results      results of tools and resources, marked and cut
    tools        one tool: its description, its arguments, the resources that it can read
    offered_tools    the tools of one person: subflows, remote tables, calls
    methods      what an agent can ask
    streaming    a call as server-sent events
    views        /mcp and /mcp/<set>, and the metadata of protected resources (RFC 9728)

Stateless: each POST is answered alone, by any process. An agent never gets a token of a third party.
"""
